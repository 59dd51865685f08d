"""Convolutions: the definition, and derivatives against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import plain
from oracles.differences import central, relative_error
from oracles.examples import examples

import pellucid as pl
from pellucid.engines.numpy.layers import Mode, run

INFERENCE = Mode(is_training=False)


@st.composite
def convolutions(draw: Any, kind: Any) -> tuple[Any, tuple[int, int, int]]:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    sides = st.integers(0, 2)
    padding = draw(
        st.one_of(
            st.sampled_from(["valid", "same"]),
            sides,
            st.tuples(st.tuples(sides, sides), st.tuples(sides, sides)),
        )
    )
    sizes = st.tuples(st.integers(1, 3), st.integers(1, 3))
    steps = st.tuples(st.integers(1, 2), st.integers(1, 3))
    layer = kind(
        groups * draw(st.integers(1, 2)),
        kernel_size=draw(sizes),
        stride=draw(steps),
        padding=padding,
        dilation=draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        groups=groups,
        bias=draw(st.booleans()),
    )
    shape = (draw(st.integers(5, 7)), draw(st.integers(5, 7)), groups * 2)
    return layer, shape


def arrays(layer: Any, shape: tuple[int, ...], seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.standard_normal((2, *shape))
    weights = {
        spec.role: random.standard_normal(spec.shape) for spec in layer.weights(shape)
    }
    return x, weights


def check_derivatives(layer: Any, x: Any, weights: Any) -> None:
    forward = run(layer, (x,), weights, INFERENCE)
    grad_y = np.random.default_rng(9).standard_normal(forward.output.shape)

    def loss(_: Any) -> float:
        return float(np.vdot(run(layer, (x,), weights, INFERENCE).output, grad_y))

    (grad_x,) = forward.grad_inputs(grad_y)
    assert relative_error(grad_x, central(loss, x)) <= 1e-7
    for role, grad in forward.grad_weights(grad_y).items():
        assert relative_error(grad, central(loss, weights[role])) <= 1e-7


@given(convolutions(pl.Conv2D), st.integers(0, 99))
@settings(max_examples=examples(40), deadline=None)
def test_conv2d_equals_its_definition(case: Any, seed: int) -> None:
    layer, shape = case
    x, weights = arrays(layer, shape, seed)
    y = run(layer, (x,), weights, INFERENCE).output
    expected = plain.conv2d(x, weights["weight"], weights.get("bias"), layer)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@given(convolutions(pl.Conv2D), st.integers(0, 99))
@settings(max_examples=examples(15), deadline=None)
def test_conv2d_derivatives_equal_central_differences(case: Any, seed: int) -> None:
    layer, shape = case
    check_derivatives(layer, *arrays(layer, shape, seed))


def fits(case: Any) -> bool:
    layer, shape = case
    try:
        layer.output_shape(shape)
    except pl.ShapeError:
        return False
    return True


@given(convolutions(pl.ConvTranspose2D).filter(fits), st.integers(0, 99))
@settings(max_examples=examples(40), deadline=None)
def test_conv_transpose2d_equals_its_definition(case: Any, seed: int) -> None:
    layer, shape = case
    x, weights = arrays(layer, shape, seed)
    y = run(layer, (x,), weights, INFERENCE).output
    expected = plain.conv_transpose2d(x, weights["weight"], weights.get("bias"), layer)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@given(convolutions(pl.ConvTranspose2D).filter(fits), st.integers(0, 99))
@settings(max_examples=examples(15), deadline=None)
def test_conv_transpose2d_derivatives_equal_central_differences(
    case: Any, seed: int
) -> None:
    layer, shape = case
    check_derivatives(layer, *arrays(layer, shape, seed))


def test_conv_transpose2d_same_is_input_times_stride() -> None:
    for kernel in (1, 2, 3, 4, 5):
        layer = pl.ConvTranspose2D(3, kernel_size=kernel, stride=3, padding="same")
        assert layer.output_shape((4, 5, 2)) == (12, 15, 3)
