"""PReLU and constant rescaling: forward and backward pass."""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import (
    Array,
    Forward,
    Mode,
    Weights,
    sum_to_channels,
)
from pellucid.network.layers import PReLU, Rescale


def prelu(
    layer: PReLU, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x`` where x > 0, else ``a · x`` with the channel's slope a.

    ``∂L/∂x`` is grad_y there, else a · grad_y; ``∂L/∂a = Σ grad_y · x`` over what a
    was multiplied with.
    """
    del mode
    (x,) = inputs
    slope = weights["slope"]
    is_positive = x > 0

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return (np.where(is_positive, grad_y, slope * grad_y),)

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        grad = sum_to_channels(np.where(is_positive, 0, grad_y * x))
        return {"slope": grad.sum(keepdims=True) if layer.shared else grad}

    return Forward(np.where(is_positive, x, slope * x), grad_inputs, grad_weights)


def rescale(
    layer: Rescale, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x · scale + offset``; ``∂L/∂x = grad_y · scale``."""
    del weights, mode
    (x,) = inputs
    scale, offset = (np.asarray(n, x.dtype) for n in (layer.scale, layer.offset))
    return Forward(x * scale + offset, lambda grad_y: (grad_y * scale,))
