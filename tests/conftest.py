"""What all tests share: the oracles' path, and tools that may be missing."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# how long an example takes says more of the machine than of the code
settings.register_profile(
    "untimed",
    deadline=None,
    max_examples=100 if os.environ.get("PELLUCID_THOROUGH") else 40,
)
settings.load_profile("untimed")

sys.path.insert(0, str(Path(__file__).parent))

# who starts tests in the background lets them ignore Ctrl-C, and so all their children
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def needs_tool() -> object:
    """Return a function that skips a test whose system tool is missing.

    Where PELLUCID_REQUIRE_TOOLS is set, as in continuous integration, a missing
    tool is a failure.
    """

    return _found


#: what Chromium needs in a container, and what keeps it from asking anybody
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for a module: playwright keeps an event loop running meanwhile.

    A missing one is skipped over, or a failure as in `needs_tool`.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    program = _found("chromium")
    with playwright.sync_playwright() as runner:
        started = runner.chromium.launch(
            executable_path=program, headless=True, args=list(CHROMIUM_FLAGS)
        )
        yield started
        started.close()


def _found(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("PELLUCID_REQUIRE_TOOLS"):
            pytest.fail(f"{name} must be installed here")
        pytest.skip(f"{name} is not installed")
    return found
