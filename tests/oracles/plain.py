"""Layers by their definition: plain loops, slow and plainly right."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def conv2d(x: Array, weight: Array, bias: Array | None, layer: Any) -> Array:
    """Convolve by six nested loops."""
    n, height, width, _ = x.shape
    out_h, out_w, out_c = layer.output_shape(x.shape[1:])
    (top, _), (left, _) = layer.pads((height, width))
    (s, t), (d, e) = layer.strides, layer.dilations
    k_h, k_w, per_group, _ = weight.shape
    y = np.zeros((n, out_h, out_w, out_c), x.dtype)
    for i, j, o in itertools.product(range(out_h), range(out_w), range(out_c)):
        first = o // (out_c // layer.groups) * per_group
        for u, v in itertools.product(range(k_h), range(k_w)):
            row, column = i * s + u * d - top, j * t + v * e - left
            if 0 <= row < height and 0 <= column < width:
                pixel = x[:, row, column, first : first + per_group]
                y[:, i, j, o] += pixel @ weight[u, v, :, o]
    return y if bias is None else y + bias


def conv_transpose2d(x: Array, weight: Array, bias: Array | None, layer: Any) -> Array:
    """Paint every input pixel's kernel onto the output."""
    n, height, width, channels = x.shape
    out_h, out_w, out_c = layer.output_shape(x.shape[1:])
    (top, _), (left, _) = layer.pads((height, width))
    (s, t), (d, e) = layer.strides, layer.dilations
    k_h, k_w, per_group, _ = weight.shape
    y = np.zeros((n, out_h, out_w, out_c), x.dtype)
    for i, j, u, v in itertools.product(
        range(height), range(width), range(k_h), range(k_w)
    ):
        row, column = i * s + u * d - top, j * t + v * e - left
        if not (0 <= row < out_h and 0 <= column < out_w):
            continue
        for o in range(out_c):
            first = o // (out_c // layer.groups) * per_group
            pixel = x[:, i, j, first : first + per_group]
            y[:, row, column, o] += pixel @ weight[u, v, :, o]
    assert channels == per_group * layer.groups
    return y if bias is None else y + bias


def windows(x: Array, layer: Any) -> Any:
    """Yield (n, i, j, c) and the valid cells of its window, row by row."""
    n, height, width, channels = x.shape
    out_h, out_w, _ = layer.output_shape(x.shape[1:])
    (top, _), (left, _) = layer.pads((height, width))
    for b, i, j, c in itertools.product(
        range(n), range(out_h), range(out_w), range(channels)
    ):
        cells = []
        for u, v in itertools.product(*map(range, layer.kernel)):
            row = i * layer.strides[0] + u - top
            column = j * layer.strides[1] + v - left
            if 0 <= row < height and 0 <= column < width:
                cells.append((row, column))
        yield (b, i, j, c), cells


def max_pool2d(x: Array, layer: Any) -> Array:
    """Take each window's largest valid cell."""
    y = np.zeros((len(x), *layer.output_shape(x.shape[1:])), x.dtype)
    for (b, i, j, c), cells in windows(x, layer):
        y[b, i, j, c] = max(x[b, row, column, c] for row, column in cells)
    return y


def max_pool2d_grad(x: Array, grad_y: Array, layer: Any) -> Array:
    """Send each window's derivative to its first largest cell."""
    grad = np.zeros_like(x)
    for (b, i, j, c), cells in windows(x, layer):
        values = [x[b, row, column, c] for row, column in cells]
        row, column = cells[int(np.argmax(values))]
        grad[b, row, column, c] += grad_y[b, i, j, c]
    return grad


def avg_pool2d(x: Array, layer: Any) -> Array:
    """Average each window's valid cells."""
    y = np.zeros((len(x), *layer.output_shape(x.shape[1:])), x.dtype)
    for (b, i, j, c), cells in windows(x, layer):
        y[b, i, j, c] = np.mean([x[b, row, column, c] for row, column in cells])
    return y
