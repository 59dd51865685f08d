"""Objects of other libraries go in and come out."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_our_engines_take_arrays_lists_and_frames(ask, engine) -> None:
    figures = ask("ecosystem", engine)
    assert figures["in: NumPy view with negative strides"].value == "as it is"
    assert figures["in: Python lists"].value == "as it is"
    assert figures["in: SciPy sparse array"].value in ("refused", None)
    assert figures["out: np.asarray(output)"].value == "works, memory shared"
    score = figures["scikit-learn cross_val_score"]
    assert score.value is None or score.value.startswith("needs a wrapper of ")


def test_torch_must_be_converted_and_shares_memory(ask) -> None:
    pytest.importorskip("torch")
    figures = ask("ecosystem", "torch")
    assert figures["in: NumPy array, float32"].value == "converted, memory shared"
    assert figures["in: NumPy view with negative strides"].value == "refused"
    assert figures["in: Python lists"].value == "converted, copied"
    assert "requires grad" in figures["out: np.asarray(output)"].note
