"""Fully connected layer: forward and backward pass."""

from __future__ import annotations

from pellucid.engines.numpy.layers.forward import (
    Array,
    Forward,
    Mode,
    Weights,
    sum_to_channels,
)
from pellucid.network.layers import Dense


def dense(
    layer: Dense, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x · w + b`` with x (…, in), w (in, out), b (out,).

    ``∂L/∂x = grad_y · wᵀ``, ``∂L/∂w = xᵀ · grad_y``, ``∂L/∂b = Σ grad_y``.
    """
    del mode
    (x,) = inputs
    weight = weights["weight"]
    y = x @ weight
    if layer.bias:
        y += weights["bias"]

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return (grad_y @ weight.T,)

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        rows = x.reshape(-1, x.shape[-1])
        grads = {"weight": rows.T @ grad_y.reshape(len(rows), -1)}
        if layer.bias:
            grads["bias"] = sum_to_channels(grad_y)
        return grads

    return Forward(y, grad_inputs, grad_weights)
