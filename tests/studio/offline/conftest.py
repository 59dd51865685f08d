"""The lesson that all its tests share."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_lesson import Written, write_tiny


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Return a small lesson in a folder of its own."""
    if shutil.which("wasm-ld") is None or shutil.which("node") is None:
        pytest.skip("there is no wasm-ld or no Node")
    return write_tiny(tmp_path_factory.mktemp("lesson"))
