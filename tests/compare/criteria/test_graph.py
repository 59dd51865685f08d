"""Modes are timed, and programs run in them."""

from __future__ import annotations

import pytest

from pellucid.compare.methods.control_flow import run_programs


@pytest.mark.parametrize(
    ("engine", "mode"), [("compiled", "compiled"), ("numpy", "as it is")]
)
def test_our_engines_are_timed_in_their_one_mode(ask, engine, mode) -> None:
    measurements = ask("graph", engine)
    step = measurements[f"step, {mode}"]
    assert 0 < step.low <= step.value <= step.high
    assert step.runs >= 5
    assert measurements[f"another batch size, {mode}"].value > 0
    assert measurements["images 20×20, then, a new network"].value > 0
    assert (
        measurements["programs in the freest mode"].value == 0
    )  # not Python's ability
    assert measurements["programs in the strictest mode"].value == 0


def test_plain_python_runs_every_program(tmp_path) -> None:
    found = {f.name: f.value for f in run_programs("numpy", tmp_path)}
    assert found.pop("programs that work as they are, as it is") == 8
    assert set(found.values()) == {"works as it is"}


def test_jit_wants_another_form_or_is_silently_wrong(tmp_path) -> None:
    pytest.importorskip("jax")
    found = {f.name: f for f in run_programs("jax", tmp_path)}
    assert found["programs that work as they are, eager"].value == 8
    assert found["if on a value, jit"].value == "needs another form"
    assert found["if on a value, jit"].note.startswith("TracerBoolConversionError")
    assert found["a list that grows, jit"].value == "fails"
    assert found["a trace left outside, jit"].value.startswith("silently wrong")
