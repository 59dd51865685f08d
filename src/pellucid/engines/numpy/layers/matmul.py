"""Product of two values, and arrays of weights as values: both passes."""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.engines.numpy.layers.merge import align, sum_to
from pellucid.network.layers import MatMul, Parameter


def transpose(x: Array) -> Array:
    """Exchange the last two axes."""
    return x.swapaxes(-1, -2)


def matmul(
    layer: MatMul, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = s · a · b``; ``∂L/∂a = s · grad_y · bᵀ``, ``∂L/∂b = s · aᵀ · grad_y``.

    The gradient of a matrix that was transposed first is transposed back.
    """
    del weights, mode
    a, b = align(inputs)
    a = transpose(a) if layer.transpose_a else a
    b = transpose(b) if layer.transpose_b else b

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grad_a = layer.scale * (grad_y @ transpose(b))
        grad_b = layer.scale * (transpose(a) @ grad_y)
        grad_a = transpose(grad_a) if layer.transpose_a else grad_a
        grad_b = transpose(grad_b) if layer.transpose_b else grad_b
        return sum_to(grad_a, inputs[0].shape), sum_to(grad_b, inputs[1].shape)

    return Forward(layer.scale * (a @ b), grad_inputs)


def parameter(
    layer: Parameter, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[n] = value``; ``∂L/∂value = Σₙ grad_y[n]``, and the input gets none."""
    del layer, mode
    (x,), value = inputs, weights["value"]
    return Forward(
        np.broadcast_to(value, (len(x), *value.shape)).copy(),
        lambda grad_y: (np.zeros_like(x),),
        lambda grad_y: {"value": grad_y.sum(axis=0)},
    )
