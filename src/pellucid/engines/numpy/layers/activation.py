"""Elementwise activations and their derivatives."""

from __future__ import annotations

import math

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.layers import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh

_erf = np.vectorize(math.erf, otypes=[np.float64])


def relu(
    layer: ReLU, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = max(x, 0)``; slope 1 where x > 0, else 0."""
    del layer, weights, mode
    (x,) = inputs
    y = np.maximum(x, 0)
    return Forward(y, lambda grad_y: (grad_y * (y > 0),))


def leaky_relu(
    layer: LeakyReLU, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x`` where x > 0, else ``slope · x``."""
    del weights, mode
    (x,) = inputs
    slopes = np.where(x > 0, 1, np.asarray(layer.slope, x.dtype)).astype(x.dtype)
    return Forward(x * slopes, lambda grad_y: (grad_y * slopes,))


def logistic(x: Array) -> Array:
    """``1 / (1 + exp(−x))`` without overflow: by e^−|x|, which is at most 1."""
    small = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, 1, small) / (1 + small)
    return y


def sigmoid(
    layer: Sigmoid, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = 1 / (1 + exp(−x))``; slope ``y(1 − y)``."""
    del layer, weights, mode
    y = logistic(inputs[0])
    return Forward(y, lambda grad_y: (grad_y * y * (1 - y),))


def tanh(
    layer: Tanh, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = tanh(x)``; slope ``1 − y²``."""
    del layer, weights, mode
    y = np.tanh(inputs[0])
    return Forward(y, lambda grad_y: (grad_y * (1 - y * y),))


def gelu(
    layer: GELU, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x · Φ(x)``, slope ``Φ(x) + x · φ(x)``: the normal distribution's Φ, φ."""
    del layer, weights, mode
    (x,) = inputs
    phi_sum = 0.5 * (1 + _erf(x * math.sqrt(0.5)).astype(x.dtype))  # Φ
    density = np.exp(-0.5 * x * x) * np.asarray(1 / math.sqrt(2 * math.pi), x.dtype)
    return Forward(x * phi_sum, lambda grad_y: (grad_y * (phi_sum + x * density),))


def silu(
    layer: SiLU, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x · σ(x)``; slope ``σ(x) · (1 + x · (1 − σ(x)))``."""
    del layer, weights, mode
    (x,) = inputs
    s = logistic(x)
    return Forward(x * s, lambda grad_y: (grad_y * s * (1 + x * (1 - s)),))


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
