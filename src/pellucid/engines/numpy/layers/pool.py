"""Pooling: forward and backward pass."""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.engines.numpy.layers.windows import cells, crop, pad
from pellucid.network.layers import (
    AvgPool2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    MaxPool2D,
)

DENSE = (1, 1)


def max_pool2d(
    layer: MaxPool2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n,i,j,c] = max over the window``; the first maximum takes the derivative.

    Only the winner of a window moves the output, so ``∂L/∂x`` is grad_y at the
    winners and 0 elsewhere; windows that share a winner add up.
    """
    del weights, mode
    (x,) = inputs
    height, width, _ = layer.output_shape(x.shape[1:])
    pads = layer.pads((x.shape[1], x.shape[2]))
    padded = pad(x, pads, value=-np.inf)
    window = list(cells(layer.kernel, layer.strides, DENSE, (height, width)))
    y = padded[window[0][2]].copy()
    for _, _, where in window[1:]:
        np.maximum(y, padded[where], out=y)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grad = np.zeros(padded.shape, grad_y.dtype)
        is_open = np.ones(y.shape, bool)  # windows whose winner is not found yet
        for _, _, where in window:
            wins = (padded[where] == y) & is_open
            grad[where] += grad_y * wins
            is_open ^= wins
        return (crop(grad, pads, (x.shape[1], x.shape[2])),)

    return Forward(y, grad_inputs)


def avg_pool2d(
    layer: AvgPool2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n,i,j,c] = mean over the window's valid cells``.

    Each valid cell moves the output by 1 / count, so it receives grad_y / count from
    every window that it is in.
    """
    del weights, mode
    (x,) = inputs
    height, width, _ = layer.output_shape(x.shape[1:])
    pads = layer.pads((x.shape[1], x.shape[2]))
    padded = pad(x, pads)
    valid = pad(np.ones((1, *x.shape[1:3], 1), x.dtype), pads)
    window = list(cells(layer.kernel, layer.strides, DENSE, (height, width)))
    count = sum(valid[where] for _, _, where in window)
    total = padded[window[0][2]].copy()
    for _, _, where in window[1:]:
        total += padded[where]

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grad = np.zeros(padded.shape, grad_y.dtype)
        share = grad_y / count
        for _, _, where in window:
            grad[where] += share
        return (crop(grad, pads, (x.shape[1], x.shape[2])),)

    return Forward(total / count, grad_inputs)


def global_avg_pool2d(
    layer: GlobalAvgPool2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n,c] = Σ_{i,j} x[n,i,j,c] / (H·W)``; every pixel receives an equal share."""
    del layer, weights, mode
    (x,) = inputs
    n, height, width, channels = x.shape
    y = x.reshape(n, height * width, channels).mean(axis=1)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        share = (grad_y / (height * width))[:, None, None, :]
        return (np.broadcast_to(share, x.shape).copy(),)

    return Forward(y, grad_inputs)


def global_max_pool2d(
    layer: GlobalMaxPool2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n,c] = max over all pixels``: a max-pool with one window."""
    window = layer.window(inputs[0].shape[1:])
    y, pull, *_ = max_pool2d(window, inputs, weights, mode)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return pull(grad_y[:, None, None, :])

    return Forward(y[:, 0, 0], grad_inputs)
