"""The gradient of weights over blocks of pixels against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.kernel_runner import compiled
from oracles.kernels import numbers
from oracles.maps import aligned, distance, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_weight_grad_blocks import (
    Blocks,
    blocks_fit,
    blocks_size,
    conv_grad_weight_blocks,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout

#: elements between images, more than any has
APART = 64 * 1024


def laid(size, channels, halo=((0, 0), (0, 0))):
    return ImageLayout(*size, channels, channels + -channels % 16, halo)


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize(
    ("size", "channels", "stride", "count"),
    [
        ((5, 7), (48, 20), (1, 1), 9),  # blocks of several images
        ((23, 19), (16, 112), (1, 1), 2),  # blocks that end within an image
        ((9, 31), (20, 16), (2, 3), 3),
        ((1, 150), (16, 16), (1, 1), 1),  # a row is more than a block
    ],
)
def test_it_is_the_sum_over_all_pixels(lanes, size, channels, stride, count):
    if lanes > target().lanes:
        pytest.skip("wider than this processor's vectors")
    down, across = (-(-n // s) for n, s in zip(size, stride, strict=True))
    x_map = laid(size, channels[0], ((0, 1), (2, 0)))
    y_map = laid((down, across), channels[1])
    conv = Conv(x_map, y_map, (1, 1), stride)
    assert blocks_fit(conv, lanes)
    spec = Blocks(conv, lanes, target(lanes).registers, APART, APART)
    x, y = aligned((count * APART,)), aligned((count * APART,))
    before = numbers((channels[0], channels[1]), 9)
    wanted = before.astype(np.float64)
    for k in range(count):
        image = numbers((*size, channels[0]), k)
        grad = numbers((down, across, channels[1]), 20 + k)
        x[k * APART :][: x_map.size] = put(x_map, image)
        y[k * APART :][: y_map.size] = put(y_map, grad)
        seen = image[:: stride[0], :: stride[1]].astype(np.float64)
        wanted += np.einsum("ijc,ijo->co", seen, grad.astype(np.float64))
    out = aligned(conv.weight_shape)
    out[0, 0, : channels[0], : channels[1]] = before
    scratch = aligned((blocks_size(spec),))
    call = compiled(conv_grad_weight_blocks, spec, on=target(lanes))
    call(x, y, out, scratch, count)
    assert distance(out[0, 0, : channels[0], : channels[1]], wanted) < 5e-6
    assert not out[0, 0, channels[0] :].any()
