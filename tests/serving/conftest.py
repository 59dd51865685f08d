"""What the tests of serving share: small models, and clients of an app."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")
pytest.importorskip("httpx2")

sys.path.insert(0, str(Path(__file__).parent))

from serving_fixtures import *  # noqa: F403

collect_ignore = ["kserve_client.py"]  # it is run by another Python
