"""Objects of other libraries go in and come out."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_our_engines_take_arrays_lists_and_frames(ask, engine) -> None:
    measurements = ask("ecosystem", engine)
    assert measurements["in: NumPy view with negative strides"].value == "as it is"
    assert measurements["in: Python lists"].value == "as it is"
    assert measurements["in: SciPy sparse array"].value in ("refused", None)
    assert measurements["out: np.asarray(output)"].value == "works, memory shared"
    score = measurements["scikit-learn cross_val_score"]
    assert score.value is None or score.value.startswith("needs a wrapper of ")


def test_torch_must_be_converted_and_shares_memory(ask) -> None:
    pytest.importorskip("torch")
    measurements = ask("ecosystem", "torch")
    assert measurements["in: NumPy array, float32"].value == "converted, memory shared"
    assert measurements["in: NumPy view with negative strides"].value == "refused"
    assert measurements["in: Python lists"].value == "converted, copied"
    assert "requires grad" in measurements["out: np.asarray(output)"].note
