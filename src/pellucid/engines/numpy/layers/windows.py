"""Sliding windows: padding, and the input elements of each window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.engines.numpy.layers.forward import Array
from pellucid.network.checks import Pair
from pellucid.network.window import Pads

Cells = tuple[slice, slice, slice]


def pad(x: Array, pads: Pads, value: float = 0.0) -> Array:
    """Put ``value`` around images (N, H, W, C)."""
    (top, bottom), (left, right) = pads
    if not (top or bottom or left or right):
        return x
    n, height, width, channels = x.shape
    shape = (n, height + top + bottom, width + left + right, channels)
    padded = np.full(shape, value, x.dtype)
    padded[:, top : top + height, left : left + width] = x
    return padded


def crop(x: Array, pads: Pads, size: Pair) -> Array:
    """Undo `pad`: return the (height, width) inside."""
    top, left = pads[0][0], pads[1][0]
    return x[:, top : top + size[0], left : left + size[1]]


def cells(
    kernel: Pair, stride: Pair, dilation: Pair, output: Pair
) -> Iterator[tuple[int, int, Cells]]:
    """Yield each kernel cell (u, v) with all the input pixels that it meets.

    Kernel cell u meets input row ``i · stride + u · dilation`` for output row i.
    """
    for u in range(kernel[0]):
        rows = _steps(u * dilation[0], stride[0], output[0])
        for v in range(kernel[1]):
            columns = _steps(v * dilation[1], stride[1], output[1])
            yield u, v, (slice(None), rows, columns)


def _steps(first: int, stride: int, count: int) -> slice:
    return slice(first, first + stride * (count - 1) + 1, stride)
