"""The field of a cell is where its derivative by the picture is not zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.network.receptive_field import field

SIZE = 17
LAYERS = {
    "conv": [pl.Conv2D(2, kernel_size=3)],
    "strided, padded": [pl.Conv2D(2, kernel_size=5, stride=2, padding=1)],
    "dilated": [pl.Conv2D(2, kernel_size=(3, 2), dilation=(2, 3))],
    "same": [pl.Conv2D(2, kernel_size=4, stride=3, padding="same")],
    "pool": [pl.Conv2D(2, kernel_size=3), pl.AvgPool2D(2)],
    "transposed": [pl.ConvTranspose2D(2, kernel_size=3, stride=2, padding=1)],
    "transposed after": [
        pl.Conv2D(2, kernel_size=3, stride=2),
        pl.ConvTranspose2D(2, kernel_size=2, stride=3),
        pl.Conv2D(2, kernel_size=3, padding=1),
    ],
    "padded and enlarged": [pl.ZeroPad2D(2), pl.Upsample2D(2), pl.Conv2D(1, 3)],
    "bilinear": [pl.Upsample2D(2, mode="bilinear"), pl.Sigmoid()],
    "normalised": [pl.Conv2D(2, kernel_size=3), pl.LayerNorm()],
    "contrasted": [pl.Conv2D(2, kernel_size=3), pl.LocalResponseNorm(size=3)],
    "flattened": [pl.Conv2D(2, kernel_size=3, stride=2), pl.Flatten()],
    "dense": [pl.Conv2D(2, kernel_size=3), pl.Flatten(), pl.Dense(3)],
    "averaged": [pl.GlobalAvgPool2D()],
    "dense of each pixel": [pl.Conv2D(2, kernel_size=3), pl.Dense(3)],
    "of the image's mean": [pl.Conv2D(2, kernel_size=3), pl.InstanceNorm()],
    "of groups": [pl.Conv2D(2, kernel_size=3), pl.GroupNorm(1)],
    "to space": [pl.Conv2D(4, kernel_size=2), pl.DepthToSpace(2)],
    "turned": [pl.Conv2D(2, kernel_size=(3, 2)), pl.Permute((1, 0, 2))],
    "in rows of their own": [pl.Conv2D(2, kernel_size=2), pl.Reshape((8, 32, 2))],
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_field_is_where_the_derivative_is_not_zero(name: str) -> None:
    network = pl.Sequential(pl.Input(SIZE, SIZE, 1), *LAYERS[name])
    model = pl.Model(network, engine="numpy", dtype="float64")
    picture = np.random.default_rng(0).standard_normal((1, SIZE, SIZE, 1))
    shape = network.output_shape
    corners = [tuple(0 for _ in shape), tuple(n - 1 for n in shape)]
    for at in [*corners, tuple(n // 2 for n in shape)]:
        grad = np.zeros((1, *shape))
        grad[(0, *at)] = 1
        slopes, _ = model.vjp(picture, grad, training=False)
        found = field(network, network.outputs[0], at)
        assert found == _box(slopes[0, :, :, 0]), f"of {at}"


def _box(slopes: Any) -> Any:
    rows, columns = np.nonzero(slopes)
    if not len(rows):
        return None
    return (rows.min(), rows.max()), (columns.min(), columns.max())


def test_a_gate_of_the_whole_image_reaches_all_of_it() -> None:
    image = pl.Input(9, 9, 1)
    gate = pl.AvgPool2D((9, 9))(image)
    network = pl.Network(inputs=image, outputs=pl.Multiply()(image, gate))
    assert field(network, "multiply", (3, 4, 0)) == ((0, 8), (0, 8))
    small = pl.Input(9, 9, 1)
    row = pl.AvgPool2D((9, 1))(small)
    network = pl.Network(inputs=small, outputs=pl.Add()(row, small))
    assert field(network, "add", (3, 4, 0)) == ((0, 8), (4, 4))


def test_branches_reach_as_far_as_the_widest() -> None:
    image = pl.Input(9, 9, 1)
    wide = pl.Conv2D(1, kernel_size=5, padding=2)(image)
    near = pl.Conv2D(1, kernel_size=1)(image)
    network = pl.Network(inputs=image, outputs=pl.Add()(wide, near))
    assert field(network, network.outputs[0], (4, 4, 0)) == ((2, 6), (2, 6))
    assert field(network, "conv2d_1", (4, 4, 0)) == ((4, 4), (4, 4))


def test_a_summary_shows_it_for_images_only() -> None:
    network = pl.Sequential(
        pl.Input(9, 9, 1), pl.Conv2D(2, kernel_size=3, stride=2), pl.MaxPool2D(2)
    )
    lines = str(network).splitlines()
    assert "receptive field" in lines[1]
    assert "5×5" in next(line for line in lines if line.startswith("max_pool2d"))
    assert "receptive field" not in str(pl.Sequential(pl.Input(3), pl.Dense(2)))


def test_a_block_moved_to_channels_is_the_field_of_all_of_them() -> None:
    image = pl.Input(6, 6, 1)
    network = pl.Network(inputs=image, outputs=pl.SpaceToDepth(2)(image))
    assert field(network, network.outputs[0], (1, 2, 0)) == ((2, 3), (4, 5))
