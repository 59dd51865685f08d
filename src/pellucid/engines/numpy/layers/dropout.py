"""Dropout: a product with a mask, in training only."""

from __future__ import annotations

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.layers import Dropout


def dropout(
    layer: Dropout, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x · mask`` with 0 or 1 / (1 − rate); ``∂L/∂x = grad_y · mask``."""
    del layer, weights
    (x,) = inputs
    mask = mode.mask
    if mask is None:
        return Forward(x, lambda grad_y: (grad_y,))
    return Forward(x * mask, lambda grad_y: (grad_y * mask,))
