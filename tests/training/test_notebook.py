"""What a notebook shows while a model trains."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.training.notebook import is_notebook


class Output:
    """One output of a notebook, as IPython's display handle changes it."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def update(self, page: str) -> None:
        """Show something else."""
        self.pages.append(page)


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[Output]:
    """Stand in for IPython inside a kernel."""
    found: list[Output] = []

    def display(page: str, *, display_id: bool) -> Output:
        assert display_id
        found.append(Output())
        found[-1].update(page)
        return found[-1]

    shell, part = ModuleType("IPython"), ModuleType("IPython.display")
    shell.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    part.HTML, part.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    return found


def _train(**options: Any) -> pl.History:
    network = pl.Sequential(pl.Input(3), pl.Dense(2))
    model = pl.Model(network, engine="numpy", loss="mse", optimizer="sgd")
    images = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    return model.fit((images, images[:, :2]), epochs=3, batch_size=2, **options)


def test_one_output_follows_the_training(
    outputs: list[Output], capsys: pytest.CaptureFixture[str]
) -> None:
    history = _train()
    (output,) = outputs
    assert 'value="0" max="9"' in output.pages[0]
    assert "epoch 3 of 3" in output.pages[-1]
    assert f"<td>{history[-1]['loss']:.5g}</td>" in output.pages[-1]
    assert "epoch" not in capsys.readouterr().err
    _train(progress=False)
    assert len(outputs) == 1


def test_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_notebook()
    shell = ModuleType("IPython")
    shell.get_ipython = lambda: SimpleNamespace()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)  # its shell in a terminal
    assert not is_notebook()
