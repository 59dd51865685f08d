"""Batch, layer, group and L2 normalization: forward and backward pass.

The first three subtract a mean and divide by a deviation, ``x̂ = (x − μ) / σ`` with
``σ = √(variance + ε)``, then scale and shift, ``y = γ·x̂ + β``. They differ in which
numbers μ and σ are taken over: a channel over the batch, a pixel's channels, or a group
of channels over the image.

Since μ and σ depend on every x of their set, so does each x̂. With ``g = grad_y · γ``
the chain rule gives (Ioffe & Szegedy 2015, section 3)::

    ∂L/∂x = (g − mean(g) − x̂ · mean(g · x̂)) / σ

the derivative, less its mean, less its part along x̂: a shift or a stretch of all x
would change nothing.
"""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import (
    Array,
    Forward,
    Mode,
    Weights,
    sum_to_channels,
)
from pellucid.network.layers import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    L2Normalize,
    LayerNorm,
)


def batch_norm(
    layer: BatchNorm, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Normalise each channel of x (…, C) over all other axes."""
    (x,) = inputs
    scale, offset = weights["scale"], weights["offset"]
    axes = tuple(range(x.ndim - 1))
    uses_batch = mode.is_training and layer.trainable
    if uses_batch:
        mean = x.mean(axis=axes)
        centered = x - mean
        variance = np.square(centered).mean(axis=axes)
    else:
        mean, variance = weights["running_mean"], weights["running_variance"]
        centered = x - mean
    sigma = np.sqrt(variance + np.asarray(layer.epsilon, x.dtype))
    x_hat = centered / sigma

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        g = grad_y * scale
        if not uses_batch:  # the running statistics do not depend on x
            return (g / sigma,)
        mean_g = g.mean(axis=axes)
        mean_gx = (g * x_hat).mean(axis=axes)
        return ((g - mean_g - x_hat * mean_gx) / sigma,)

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        return {
            "scale": sum_to_channels(grad_y * x_hat),
            "offset": sum_to_channels(grad_y),
        }

    buffers = _running(layer, weights, mean, variance) if uses_batch else {}
    return Forward(x_hat * scale + offset, grad_inputs, grad_weights, buffers)


def _running(
    layer: BatchNorm, weights: Weights, mean: Array, variance: Array
) -> dict[str, Array]:
    """``running = momentum · running + (1 − momentum) · batch``, biased variance."""
    keep = layer.momentum
    now = {"running_mean": mean, "running_variance": variance}
    return {role: keep * weights[role] + (1 - keep) * now[role] for role in now}


def layer_norm(
    layer: LayerNorm, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Normalise the last axis of x (…, C), each place on its own."""
    del mode
    (x,) = inputs
    scale, offset = weights["scale"], weights["offset"]
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centered).mean(axis=-1, keepdims=True)
    sigma = np.sqrt(variance + np.asarray(layer.epsilon, x.dtype))
    x_hat = centered / sigma

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        g = grad_y * scale
        mean_g = g.mean(axis=-1, keepdims=True)
        mean_gx = (g * x_hat).mean(axis=-1, keepdims=True)
        return ((g - mean_g - x_hat * mean_gx) / sigma,)

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        return {
            "scale": sum_to_channels(grad_y * x_hat),
            "offset": sum_to_channels(grad_y),
        }

    return Forward(x_hat * scale + offset, grad_inputs, grad_weights)


def per_image_norm(
    layer: GroupNorm | InstanceNorm,
    inputs: tuple[Array, ...],
    weights: Weights,
    mode: Mode,
) -> Forward:
    """Normalise groups of channels of x (N, …, C) over each example.

    The groups become an axis: (N, pixels, groups, C / groups).
    """
    del mode
    (x,) = inputs
    scale, offset = weights["scale"], weights["offset"]
    groups, axes = layer.groups_of(x.shape[-1]), (1, 3)

    def split(values: Array) -> Array:
        return values.reshape(len(values), -1, groups, values.shape[-1] // groups)

    cut = split(x)
    centered = cut - cut.mean(axis=axes, keepdims=True)
    variance = np.square(centered).mean(axis=axes, keepdims=True)
    sigma = np.sqrt(variance + np.asarray(layer.epsilon, x.dtype))
    x_hat = centered / sigma
    flat_hat = x_hat.reshape(x.shape)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        g = split(grad_y * scale)
        mean_g = g.mean(axis=axes, keepdims=True)
        mean_gx = (g * x_hat).mean(axis=axes, keepdims=True)
        return (((g - mean_g - x_hat * mean_gx) / sigma).reshape(x.shape),)

    def grad_weights(grad_y: Array) -> dict[str, Array]:
        return {
            "scale": sum_to_channels(grad_y * flat_hat),
            "offset": sum_to_channels(grad_y),
        }

    return Forward(flat_hat * scale + offset, grad_inputs, grad_weights)


def l2_normalize(
    layer: L2Normalize, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x / n`` with ``n = max(‖x‖, ε)`` over the last axis.

    ``∂L/∂x = (g − y · Σ g·y) / n``: the part along y would only change the length.
    Where n is ε, it does not depend on x: ``g / ε``.
    """
    del weights, mode
    (x,) = inputs
    epsilon = np.asarray(layer.epsilon, x.dtype)
    length = np.sqrt(np.square(x).sum(axis=-1, keepdims=True))
    n = np.maximum(length, epsilon)
    y = x / n

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        along = (grad_y * y).sum(axis=-1, keepdims=True) * (length > epsilon)
        return ((grad_y - y * along) / n,)

    return Forward(y, grad_inputs)
