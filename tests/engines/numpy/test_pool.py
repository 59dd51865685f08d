"""Pools: the definition, ties, NaN, and derivatives."""

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
def pools(draw: Any, kind: Any) -> Any:
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = draw(
        st.one_of(
            st.sampled_from(["valid", "same"]),
            st.integers(0, min(kernel) - 1),
            st.just(((kernel[0] - 1, 0), (0, kernel[1] - 1))),
        )
    )
    stride = draw(st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    return kind(kernel, stride=stride, padding=padding)


@given(pools(pl.MaxPool2D), st.integers(0, 99))
@settings(max_examples=examples(30), deadline=None)
def test_max_pool_equals_its_definition_with_ties(layer: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.integers(-2, 3, (2, 6, 5, 2)).astype(float)
    forward = run(layer, (x,), {}, INFERENCE)
    np.testing.assert_array_equal(forward.output, plain.max_pool2d(x, layer))
    grad_y = random.standard_normal(forward.output.shape)
    (grad_x,) = forward.grad_inputs(grad_y)
    expected = plain.max_pool2d_grad(x, grad_y, layer)
    np.testing.assert_allclose(grad_x, expected, atol=1e-12)


@given(pools(pl.AvgPool2D), st.integers(0, 99))
@settings(max_examples=examples(30), deadline=None)
def test_avg_pool_divides_by_the_valid_cells(layer: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.standard_normal((2, 6, 5, 2))
    forward = run(layer, (x,), {}, INFERENCE)
    np.testing.assert_allclose(forward.output, plain.avg_pool2d(x, layer), atol=1e-12)
    grad_y = random.standard_normal(forward.output.shape)

    def loss(at: Any) -> float:
        return float(np.vdot(run(layer, (at,), {}, INFERENCE).output, grad_y))

    (grad_x,) = forward.grad_inputs(grad_y)
    assert relative_error(grad_x, central(loss, x)) <= 1e-7


def test_max_pool_lets_nan_through() -> None:
    x = np.ones((1, 2, 2, 1))
    x[0, 1, 0, 0] = np.nan
    assert np.isnan(run(pl.MaxPool2D(2), (x,), {}, INFERENCE).output).all()


def test_global_average_spreads_its_derivative_evenly() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    forward = run(pl.GlobalAvgPool2D(), (x,), {}, INFERENCE)
    np.testing.assert_allclose(forward.output, x.mean(axis=(1, 2)))
    (grad_x,) = forward.grad_inputs(np.ones((2, 5)))
    np.testing.assert_allclose(grad_x, 1 / 12)
