"""Volumes: convolution and pools, against plain loops over every element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.composed import gradient_error, run

import pellucid as pl
from pellucid.errors import NetworkError, ShapeError

SIZE = (5, 4, 6)


def windows(x: Any, kernel: Any, stride: Any, around: Any, dilation: Any, fill: float):
    """Yield (place in the output, window) of a padded volume."""
    given = np.pad(x, ((0, 0), *around, (0, 0)), constant_values=fill)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    pairs = zip(given.shape[1:4], reach, stride, strict=True)
    count = [(n - r) // s + 1 for n, r, s in pairs]
    for at in np.ndindex(*count):
        starts = [i * s for i, s in zip(at, stride, strict=True)]
        ranges = (
            slice(a, a + r, d) for a, r, d in zip(starts, reach, dilation, strict=True)
        )
        yield at, given[(slice(None), *ranges)]


@pytest.mark.parametrize(
    ("stride", "around", "dilation", "groups"),
    [
        ((1, 1, 1), ((0, 0),) * 3, (1, 1, 1), 1),
        ((2, 1, 3), ((1, 0), (1, 1), (0, 2)), (1, 1, 1), 2),
        ((1, 2, 1), ((1, 1), (0, 1), (2, 1)), (2, 1, 3), 1),
    ],
)
def test_convolution_is_its_definition(
    stride: Any, around: Any, dilation: Any, groups: int
) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2, *SIZE, 4))
    layer = pl.Conv3D(
        6, (2, 3, 2), stride, around, dilation, groups=groups, name="conv"
    )
    network = pl.Sequential(pl.Input(*SIZE, 4), layer)
    model = pl.Model(network, engine="numpy", dtype="float64")
    weight = draw.normal(size=(3, 2, 2, 4 // groups, 6))  # h, w, depth, in, out
    bias = draw.normal(size=6)
    flat = weight.reshape(3, 2, -1, 6)
    model.load_weights({"conv.weight": flat, "conv.bias": bias})
    right = np.zeros((2, *network.output_shape))
    per = 6 // groups
    for at, window in windows(x, (2, 3, 2), stride, around, dilation, 0.0):
        for o in range(6):
            first = o // per * (4 // groups)
            part = window[..., first : first + 4 // groups]
            kernel = weight[..., o].transpose(2, 0, 1, 3)
            right[(slice(None), *at, o)] = (part * kernel).sum((1, 2, 3, 4)) + bias[o]
    np.testing.assert_allclose(model.predict(x), right, rtol=1e-10, atol=1e-12)


def test_all_layers_of_the_depth_share_the_weights() -> None:
    network = pl.Sequential(
        pl.Input(6, 5, 5, 2), pl.Conv3D(3, 3, padding="same", activation="relu")
    )
    assert network.output_shape == (6, 5, 5, 3)
    assert network.parameter_count == 27 * 2 * 3 + 3


@pytest.mark.parametrize("padding", ["valid", ((1, 0), (1, 1), (0, 1))])
def test_pools_are_their_definition(padding: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, *SIZE, 3))
    around = ((0, 0),) * 3 if padding == "valid" else padding
    for kind, fill in ((pl.MaxPool3D, -np.inf), (pl.AvgPool3D, np.nan)):
        network = pl.Sequential(pl.Input(*SIZE, 3), kind((2, 2, 3), (1, 2, 2), padding))
        right = np.zeros((2, *network.output_shape))
        for at, window in windows(x, (2, 2, 3), (1, 2, 2), around, (1, 1, 1), fill):
            flat = window.reshape(2, -1, 3)
            best = flat.max(1) if kind is pl.MaxPool3D else np.nanmean(flat, axis=1)
            right[(slice(None), *at)] = best
        np.testing.assert_allclose(run(network, x), right, rtol=1e-12)


def test_gradients_of_volumes() -> None:
    network = pl.Sequential(
        pl.Input(3, 4, 4, 2),
        pl.Conv3D(2, 2, padding="same"),
        pl.MaxPool3D((1, 2, 2)),
        pl.AvgPool3D(2, 1),
    )
    assert gradient_error(network) < 1e-7


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.Conv3D(2, (3, 3)), "kernel_size must be an int of at least 1, or"),
        (lambda: pl.Conv3D(2, 3, padding=(1, 1)), "padding must be 'valid', 'same'"),
        (lambda: pl.Conv3D(2, 3)(pl.Input(8, 8, 3)), "input must be of shape 4 axes"),
        (lambda: pl.Conv3D(2, 3)(pl.Input(2, 8, 8, 3)), "as large as the window"),
        (lambda: pl.Conv3D(2, 1, groups=2)(pl.Input(2, 8, 8, 3)), "multiple of groups"),
        (lambda: pl.MaxPool3D(0), "kernel_size must be an int of at least 1"),
    ],
)
def test_volumes_refuse(make: Any, message: str) -> None:
    with pytest.raises((NetworkError, ShapeError), match=message):
        make()
