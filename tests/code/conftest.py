"""Scripts run in the tests' own process: what they switch on is switched back."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pellucid.compare.worker import restore_jax_config

#: run a script with arguments; what it prints
RunScript = Callable[..., str]


@pytest.fixture(autouse=True)
def _jax_as_it_was() -> Iterator[None]:
    with restore_jax_config():
        yield


@pytest.fixture
def run_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunScript:
    """Return what runs a script's ``main`` with arguments, and gives its output.

    A process of its own would import the framework anew, which takes seconds; that
    scripts need nothing of ours is tested by such processes once per framework.
    """

    def run(path: Path, *arguments: str) -> str:
        names = runpy.run_path(str(path), run_name="script")
        monkeypatch.setattr("sys.argv", [str(path), *arguments])
        capsys.readouterr()
        names["main"]()
        return capsys.readouterr().out

    return run
