"""Adaptive and dilated pools, against plain loops over PyTorch's bins and windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracles.composed import gradient_error, run

import pellucid as pl
from pellucid.errors import NetworkError, ShapeError
from pellucid.network.composites import Composite


def bins(n: int, m: int) -> list[slice]:
    return [slice(math.floor(i * n / m), math.ceil((i + 1) * n / m)) for i in range(m)]


def adaptive(x: Any, size: tuple[int, int], combine: Any) -> Any:
    rows = [
        np.stack(
            [
                combine(x[:, down, across], axis=(1, 2))
                for across in bins(x.shape[2], size[1])
            ],
            axis=1,
        )
        for down in bins(x.shape[1], size[0])
    ]
    return np.stack(rows, axis=1)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 6), (7, 6), (5, 4)])
@pytest.mark.parametrize(
    ("kind", "combine"),
    [(pl.AdaptiveAvgPool2D, np.mean), (pl.AdaptiveMaxPool2D, np.max)],
)
def test_adaptive_pools_have_pytorchs_bins(
    kind: type[Composite], combine: Any, size: tuple[int, int]
) -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3))
    network = pl.Sequential(pl.Input(7, 6, 3), kind(size))
    np.testing.assert_allclose(run(network, x), adaptive(x, size, combine), rtol=1e-12)


def test_adaptive_pools_of_sequences() -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 3))
    for kind, combine in (
        (pl.AdaptiveAvgPool1D, np.mean),
        (pl.AdaptiveMaxPool1D, np.max),
    ):
        for size in (1, 3, 7):
            network = pl.Sequential(pl.Input(7, 3), kind(size), pl.Rescale(1.0))
            right = adaptive(x[:, :, None], (size, 1), combine)[:, :, 0]
            np.testing.assert_allclose(run(network, x), right, rtol=1e-12)


def dilated(x: Any, kernel: Any, stride: Any, around: Any, dilation: Any) -> Any:
    """Return the largest of every window, cell by cell."""
    given = np.pad(x, ((0, 0), *around, (0, 0)), constant_values=-np.inf)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    sizes = [
        (n - r) // s + 1
        for n, r, s in zip(given.shape[1:3], reach, stride, strict=True)
    ]
    y = np.full((len(x), *sizes, x.shape[3]), -np.inf)
    for i, j in np.ndindex(*sizes):
        for u, v in np.ndindex(*kernel):
            at = i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]
            y[:, i, j] = np.maximum(y[:, i, j], given[:, at[0], at[1]])
    return y


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        ((2, 2), (1, 1), 0, (2, 2)),
        ((3, 2), (2, 1), 1, (2, 3)),
        ((1, 3), (3, 2), ((0, 1), (2, 0)), (1, 2)),
    ],
)
def test_dilated_max_pools(
    kernel: Any, stride: Any, padding: Any, dilation: Any
) -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 9, 3))
    around = ((padding, padding),) * 2 if isinstance(padding, int) else padding
    network = pl.Sequential(
        pl.Input(7, 9, 3), pl.DilatedMaxPool2D(kernel, stride, padding, dilation)
    )
    right = dilated(x, kernel, stride, around, dilation)
    np.testing.assert_array_equal(run(network, x), right)


def test_a_dilated_max_pool_of_sequences() -> None:
    x = np.random.default_rng(0).normal(size=(2, 9, 3))
    network = pl.Sequential(pl.Input(9, 3), pl.DilatedMaxPool1D(3, 2, (1, 0), 3))
    right = dilated(x[:, :, None], (3, 1), (2, 1), ((1, 0), (0, 0)), (3, 1))
    np.testing.assert_array_equal(run(network, x), right[:, :, 0])


def test_the_maximum_of_a_sequence() -> None:
    x = np.random.default_rng(0).normal(size=(2, 9, 3))
    network = pl.Sequential(pl.Input(9, 3), pl.GlobalMaxPool1D())
    np.testing.assert_array_equal(run(network, x), x.max(1))


def test_gradients_of_pools() -> None:
    network = pl.Sequential(
        pl.Input(8, 7, 2),
        pl.DilatedMaxPool2D(2, 1, 1, 2),
        pl.AdaptiveAvgPool2D((5, 3)),
        pl.AdaptiveMaxPool2D((3, 2)),
    )
    assert gradient_error(network) < 1e-7


def test_the_first_of_equal_maxima_takes_the_gradient() -> None:
    for layer in (pl.DilatedMaxPool2D(2, 1, 0, 2), pl.AdaptiveMaxPool2D(1)):
        network = pl.Sequential(pl.Input(3, 3, 1), layer)
        model = pl.Model(network, engine="numpy")
        grad, _ = model.vjp(np.zeros((1, 3, 3, 1)), np.ones((1, 1, 1, 1)))
        assert grad.reshape(-1).tolist() == [1, *[0] * 8]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.AdaptiveAvgPool2D(0), "output_size must be an int of at least 1"),
        (lambda: pl.AdaptiveAvgPool1D(1.5), "output_size must be an int of at least"),
        (lambda: pl.AdaptiveMaxPool2D(2)(pl.Input(4, 3)), "input must be of shape"),
        (
            lambda: pl.DilatedMaxPool2D(3, dilation=4)(pl.Input(8, 8, 1)),
            "as the window",
        ),
        (lambda: pl.DilatedMaxPool1D(3, dilation=4)(pl.Input(8, 1)), "as the window"),
        (lambda: pl.DilatedMaxPool1D(3, padding=(1,)), "padding must be an int"),
    ],
)
def test_pools_refuse(make: Any, message: str) -> None:
    with pytest.raises((NetworkError, ShapeError), match=message):
        make()
