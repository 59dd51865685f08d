"""What all tests share: the oracles' path, and tools that may be missing."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

IS_THOROUGH = bool(os.environ.get("PELLUCID_THOROUGH"))

# JAX compiles hundreds of tiny functions here, in a third less time; the sums are the
# same. Where an optimized program is what is tested, the test sets it back.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# how long an example takes says more of the machine than of the code
settings.register_profile(
    "untimed",
    deadline=None,
    max_examples=100 if IS_THOROUGH else 40,
)
settings.load_profile("untimed")

sys.path.insert(0, str(Path(__file__).parent))

# who starts tests in the background lets them ignore Ctrl-C, and so all their children
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Of large sweeps, run a fixed part of the cases unless all are asked for.

    ``@pytest.mark.sweep(every=3)`` keeps a third of a test's cases, chosen by their
    names; with ``engines=(…)`` only those engines' cases are fewer. PELLUCID_THOROUGH
    runs all, and so does a test that is named on the command line.
    """
    if IS_THOROUGH or any("::" in argument for argument in config.args):
        return
    left = [item for item in items if not _is_drawn(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if _is_drawn(item)]


def _is_drawn(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("sweep")
    call = getattr(item, "callspec", None)
    if marker is None or call is None:
        return True
    engines = marker.kwargs.get("engines")
    if engines and call.params.get("engine") not in engines:
        return True
    return zlib.crc32(item.name.encode()) % int(marker.kwargs["every"]) == 0


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
