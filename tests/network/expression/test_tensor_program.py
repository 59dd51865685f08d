"""Tensor programs: gradients of any expression of tensors, slices, limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.differences import central, relative_error

import pellucid as pl
from pellucid.network.expression import (
    Expression,
    from_json,
    run,
    tensor_program,
    to_json,
    variable,
)
from pellucid.objectives.formula_loss import OPERATORS

OUTPUT, TARGET = variable("output"), variable("target")
Z = np.random.default_rng(0).standard_normal((2, 2, 4))
T = np.random.default_rng(1).standard_normal((2, 2, 4))
m = pl.math


@st.composite
def tensors(draw: st.DrawFn, depth: int = 3) -> Expression:
    """Tensors of 4 channels or 1, smooth almost everywhere, that do not overflow."""
    if depth == 0:
        leaf = draw(st.sampled_from([OUTPUT, OUTPUT, TARGET]))
        return draw(st.sampled_from([leaf, leaf[..., 1], leaf * 0.5 - 0.1]))
    x, y = draw(tensors(depth=depth - 1)), draw(tensors(depth=depth - 1))
    made: list[Any] = [
        lambda: x + y,
        lambda: x - y * 0.3,
        lambda: m.tanh(x) * y,
        lambda: x / (1 + y * y),
        lambda: m.maximum(x, y),
        lambda: m.where(x > 0.1, y, x * 0.5),
        lambda: m.clip(x, -1.5, 1.25),
        lambda: m.tanh(x) ** 3 + m.abs(y),
        lambda: m.softplus(m.mean(x, "channels")) * y,
        lambda: m.sum(m.sigmoid(x), "positions") - y,
        lambda: m.softmax(m.tanh(x)) + m.mean(y),
        lambda: m.sum(x, "channels") * 0.1 + (y + 0 * OUTPUT)[..., 2],
        lambda: m.split(x + OUTPUT, 2)[0][..., -1] * y,
    ]
    return draw(st.sampled_from(made))()  # type: ignore[no-any-return]


def value_of(expression: Expression, z: Any) -> tuple[float, Any]:
    program = tensor_program(expression, 2, (("output", 4), ("target", 4)))
    leaves = {"output": z, "target": T}
    done = run(program, OPERATORS, leaves, lambda n, like: np.asarray(n, like.dtype))
    grad = np.zeros_like(z)
    for start, stop, i in program.gradients:
        grad[..., start:stop] += done[i]
    return float(np.broadcast_to(done[program.loss], (2, 1, 1)).sum()), grad


@given(tensors())
def test_the_gradient_is_that_of_central_differences(f: Expression) -> None:
    at = Z.copy()
    _, grad = value_of(f, at)
    numeric = central(lambda z: value_of(f, z)[0], at)
    if np.abs(numeric).max() > 1e-3:
        assert relative_error(grad, numeric) < 1e-5
    assert from_json(to_json(f), ("output", "target"), has_tensors=True) is f


def test_slices_are_moved_down_to_the_tensors() -> None:
    f = m.sigmoid(OUTPUT)[..., 1:3] * m.softmax(OUTPUT)[..., 0]
    program = tensor_program(f, 2, (("output", 4), ("target", 4)))
    leaves = {i.value for i in program.instructions if i.operator == "leaf"}
    assert leaves == {("output", 1, 3), ("output", 0, 4), ("output", 0, 1)}
    assert {made[:2] for made in program.gradients} == {(0, 4), (0, 1), (1, 3)}


def test_slices_are_written_as_python_has_them() -> None:
    shown = [repr(f) for f in (OUTPUT[..., 3], OUTPUT[..., 1:], OUTPUT[..., :-2])]
    assert shown == ["output[..., 3]", "output[..., 1:]", "output[..., :-2]"]
    assert repr((OUTPUT + 1)[..., -1] ** 2) == "(output + 1)[..., -1]**2"


def test_what_is_the_same_everywhere_stays_one_number() -> None:
    program = tensor_program(m.mean(OUTPUT), 2, (("output", 4), ("target", 4)))
    ((*_, gradient),) = program.gradients
    assert program.instructions[gradient].operator == "constant"
    assert program.instructions[gradient].value == pytest.approx(1 / 8)


def squared(x: Expression, times: int) -> Expression:
    for _ in range(times):
        x = x * x
    return x


def test_layers_have_narrower_limits_than_losses() -> None:
    with pytest.raises(pl.NetworkError, match="most 5000 operations"):
        squared(variable(), 12)
    assert squared(OUTPUT, 15).text_size == 2**16 - 1
    with pytest.raises(pl.NetworkError, match="most 100000 operations"):
        squared(OUTPUT, 16)
