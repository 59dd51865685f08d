"""Functions of each element, and softmax, with their derivatives."""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.expression.evaluate import compute
from pellucid.network.layers import LogSoftmax, Pointwise, Softmax


def pointwise(
    layer: Pointwise, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = f(x)`` for every element; ``∂L/∂x = grad_y · f′(x)``.

    f is the layer's expression, f′ its symbolic derivative.
    """
    del weights, mode
    (x,) = inputs
    y = compute(layer.expression, x=x)
    return Forward(y, lambda grad_y: (grad_y * compute(layer.derivative, x=x),))


def softmax(
    layer: Softmax, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)`` over the last axis.

    ``∂yᵢ/∂xⱼ = yᵢ(δᵢⱼ − yⱼ)``, hence ``∂L/∂x = y · (grad_y − Σⱼ grad_yⱼ yⱼ)``.
    """
    del layer, weights, mode
    (x,) = inputs
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    y = exponentials / exponentials.sum(axis=-1, keepdims=True)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return (y * (grad_y - (grad_y * y).sum(axis=-1, keepdims=True)),)

    return Forward(y, grad_inputs)


def log_softmax(
    layer: LogSoftmax, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``yᵢ = xᵢ − ln Σⱼ exp(xⱼ)`` over the last axis.

    ``∂yᵢ/∂xⱼ = δᵢⱼ − exp(yⱼ)``, hence ``∂L/∂x = grad_y − exp(y) · Σⱼ grad_yⱼ``.
    """
    del layer, weights, mode
    (x,) = inputs
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return (grad_y - np.exp(y) * grad_y.sum(axis=-1, keepdims=True),)

    return Forward(y, grad_inputs)
