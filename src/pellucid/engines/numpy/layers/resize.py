"""Resize: forward and backward pass."""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.layers import Resize


def resize(
    layer: Resize, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = A · x · Bᵀ`` on every channel: rows and columns mixed by two matrices.

    Row i of A has the shares of the input rows that output row i is made of; the
    gradient goes back by the transposed matrices.
    """
    del weights, mode
    (x,) = inputs
    a, b = (mixture(layer, axis, x.shape[1 + axis]).astype(x.dtype) for axis in (0, 1))

    def mix(values: Array, rows: Array, columns: Array) -> Array:
        tall = np.tensordot(rows, values, axes=(1, 1))  # (out_h, N, W, C)
        return np.tensordot(columns, tall, axes=(1, 2)).transpose(2, 1, 0, 3)

    if layer.mode == "nearest":  # 0 · ∞ in the product would spread NaN to all rows
        y = x[:, a.argmax(axis=1)][:, :, b.argmax(axis=1)]
    else:
        y = mix(x, a, b)
    return Forward(y, lambda grad_y: (mix(grad_y, a.T, b.T),))


def mixture(layer: Resize, axis: int, size: int) -> Array:
    """Return the matrix (outputs, inputs) of the rows (axis 0) or columns (1)."""
    taps = layer.taps(axis, size)
    matrix = np.zeros((len(taps), size))
    for i, row in enumerate(taps):
        for at, share in row:
            matrix[i, at] += share
    return matrix
