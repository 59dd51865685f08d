"""Layers that rearrange elements: forward and backward pass."""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.engines.numpy.layers.windows import crop, pad
from pellucid.network.layers import Flatten, Upsample2D, ZeroPad2D


def flatten(
    layer: Flatten, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """(N, H, W, C) → (N, H·W·C), and back."""
    del layer, weights, mode
    (x,) = inputs
    return Forward(x.reshape(len(x), -1), lambda grad_y: (grad_y.reshape(x.shape),))


def zero_pad2d(
    layer: ZeroPad2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Put zeros around x; their derivatives lead nowhere."""
    del weights, mode
    (x,) = inputs
    size = (x.shape[1], x.shape[2])
    return Forward(
        pad(x, layer.sides), lambda grad_y: (crop(grad_y, layer.sides, size),)
    )


def upsample2d(
    layer: Upsample2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = A · x · Bᵀ`` on every channel: rows and columns mixed by two matrices.

    Each row of A says which input rows an output row is made of; the derivative goes
    back by the transposed matrices.
    """
    del weights, mode
    (x,) = inputs
    a = interpolation(x.shape[1], layer.factors[0], layer.mode).astype(x.dtype)
    b = interpolation(x.shape[2], layer.factors[1], layer.mode).astype(x.dtype)

    def mix(values: Array, rows: Array, columns: Array) -> Array:
        tall = np.tensordot(rows, values, axes=(1, 1))  # (out_h, N, W, C)
        return np.tensordot(columns, tall, axes=(1, 2)).transpose(2, 1, 0, 3)

    if layer.mode == "nearest":  # 0 · ∞ in the product would spread NaN to all rows
        y = x.repeat(layer.factors[0], axis=1).repeat(layer.factors[1], axis=2)
    else:
        y = mix(x, a, b)
    return Forward(y, lambda grad_y: (mix(grad_y, a.T, b.T),))


def interpolation(size: int, factor: int, mode: str) -> Array:
    """Return the matrix (size · factor, size) of one axis.

    nearest: output i repeats input ⌊i / factor⌋. bilinear: output i lies at input
    coordinate (i + ½) / factor − ½, between two pixels; beyond the edge, the edge.
    """
    outputs = np.arange(size * factor)
    matrix = np.zeros((size * factor, size))
    if mode == "nearest":
        matrix[outputs, outputs // factor] = 1
        return matrix
    at = np.clip((outputs + 0.5) / factor - 0.5, 0, size - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, size - 1)
    matrix[outputs, low] += 1 - (at - low)
    matrix[outputs, high] += at - low
    return matrix
