"""Fixtures that the studio shares with the server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")
pytest.importorskip("httpx2")

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))
sys.path.insert(0, str(Path(__file__).parent))

from serving_fixtures import *  # noqa: F403
from studio_pages import axe, open_page

__all__ = ["axe", "open_page"]
