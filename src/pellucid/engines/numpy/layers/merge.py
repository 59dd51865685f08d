"""Layers with several inputs: forward and backward pass."""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.layers import Add, Concat


def add(layer: Add, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Forward:
    """``y = Σ xₖ``; every branch receives grad_y."""
    del layer, weights, mode
    y = inputs[0] + inputs[1]
    for x in inputs[2:]:
        y += x
    return Forward(y, lambda grad_y: (grad_y,) * len(inputs))


def concat(
    layer: Concat, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Put inputs behind each other; every branch receives its own part."""
    del weights, mode
    axis = 1 + layer.resolved_axis(inputs[0].ndim - 1)
    ends = np.cumsum([x.shape[axis] for x in inputs])[:-1]

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return tuple(np.split(grad_y, ends, axis=axis))

    return Forward(np.concatenate(inputs, axis=axis), grad_inputs)
