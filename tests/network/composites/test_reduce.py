"""Reductions over chosen axes, against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.composed import gradient_error, run

import pellucid as pl
from pellucid.errors import NetworkError, ShapeError
from pellucid.network.composites import Reduction

SHAPE = (3, 4, 5)


def _log_sum_exp(x: Any, axis: Any, keepdims: bool) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


KINDS: dict[type[Reduction], Any] = {
    pl.ReduceL1: lambda x, axis, keepdims: np.abs(x).sum(axis, keepdims=keepdims),
    pl.ReduceL2: lambda x, axis, keepdims: np.sqrt(
        np.square(x).sum(axis, keepdims=keepdims)
    ),
    pl.ReduceLogSumExp: _log_sum_exp,
    pl.ReduceMax: lambda x, axis, keepdims: x.max(axis, keepdims=keepdims),
    pl.ReduceMean: lambda x, axis, keepdims: x.mean(axis, keepdims=keepdims),
    pl.ReduceMin: lambda x, axis, keepdims: x.min(axis, keepdims=keepdims),
    pl.ReduceSum: lambda x, axis, keepdims: x.sum(axis, keepdims=keepdims),
    pl.ReduceSumSquare: lambda x, axis, keepdims: np.square(x).sum(
        axis, keepdims=keepdims
    ),
    pl.ReduceVariance: lambda x, axis, keepdims: x.var(axis, keepdims=keepdims),
}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [(0,), (-1,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_reductions_are_numpys(
    kind: type[Reduction], axes: tuple[int, ...], keepdims: bool
) -> None:
    x = np.random.default_rng(0).normal(size=(2, *SHAPE))
    network = pl.Sequential(pl.Input(*SHAPE), kind(axes, keepdims))
    foreign = tuple(axis % 3 + 1 for axis in axes)
    right = KINDS[kind](x, foreign, keepdims)
    if right.ndim == 1:
        right = right[:, None]  # a value has one axis at least
    np.testing.assert_allclose(run(network, x), right, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_reductions(kind: type[Reduction]) -> None:
    network = pl.Sequential(pl.Input(*SHAPE), pl.Dense(3), kind((0, 2)))
    assert gradient_error(network) < 1e-7


def test_reductions_of_sequences_and_rows() -> None:
    x = np.random.default_rng(1).normal(size=(2, 6, 4))
    for kind, right in ((pl.ReduceMean, x.mean(1)), (pl.ReduceMax, x.max(1))):
        network = pl.Sequential(pl.Input(6, 4), kind(0))
        np.testing.assert_allclose(run(network, x), right, rtol=1e-12)
    row = pl.Sequential(pl.Input(4), pl.ReduceSum(keepdims=True))
    np.testing.assert_allclose(run(row, x[:, 0]), x[:, 0].sum(1, keepdims=True))


def test_the_first_of_equal_maxima_takes_the_gradient() -> None:
    network = pl.Sequential(pl.Input(2, 2, 2), pl.ReduceMax())
    model = pl.Model(network, engine="numpy")
    grad, _ = model.vjp(np.zeros((1, 2, 2, 2)), np.ones((1, 1)))
    assert grad.reshape(-1).tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def test_an_unbiased_variance() -> None:
    x = np.random.default_rng(2).normal(size=(2, 6, 4))
    network = pl.Sequential(pl.Input(6, 4), pl.ReduceVariance(0, correction=1))
    np.testing.assert_allclose(run(network, x), x.var(1, ddof=1), rtol=1e-12)
    with pytest.raises(ShapeError, match="less than the number of elements"):
        pl.ReduceVariance(0, correction=6)(pl.Input(6, 4))


def test_nodes_are_named_by_the_reduction() -> None:
    image = pl.Input(4, 4, 3)
    y = pl.ReduceMean(-1, keepdims=True, name="brightness")(image)
    z = pl.ReduceMax(-1, keepdims=True)(image)
    names = [node.name for node in pl.Network(inputs=image, outputs=[y, z]).nodes]
    assert names == [
        "input",
        "reduce_mean_reshape",
        "reduce_mean_avg_pool2d",
        "brightness",
        "reduce_max_reshape",
        "reduce_max_max_pool2d",
        "reduce_max",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.ReduceMean("channels"), "axis must be an int, several of them"),
        (lambda: pl.ReduceMean(()), "axis must be an int, several of them"),
        (lambda: pl.ReduceMean(3)(pl.Input(4, 4, 3)), "axis must be in -3 … 2"),
        (lambda: pl.ReduceMean((0, -3))(pl.Input(4, 4, 3)), "each axis once"),
        (lambda: pl.ReduceMean(0, keepdims=1), "keepdims must be True or False"),
    ],
)
def test_reductions_refuse(make: Any, message: str) -> None:
    with pytest.raises((NetworkError, ShapeError), match=message):
        make()
