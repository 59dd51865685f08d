"""Layers that only move elements: forward and backward pass.

The gradient of an element goes back to the place that it was taken from: a reshape
and a permutation are undone, what a slice left out receives 0.
"""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.engines.numpy.layers.windows import crop, pad
from pellucid.network.layers import (
    ChannelShuffle,
    Crop2D,
    DepthToSpace,
    PadChannels,
    Permute,
    Rearrangement,
    Reshape,
    Slice,
    SpaceToDepth,
)
from pellucid.network.rearrangement import PermuteStep, ReshapeStep


def slice_(
    layer: Slice, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[i] = x[start + i · step]`` along each axis; ``grad_x`` is 0 elsewhere."""
    del weights, mode
    (x,) = inputs
    kept = (slice(None), *layer.ranges(x.shape[1:]).slices)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grad_x = np.zeros(x.shape, grad_y.dtype)
        grad_x[kept] = grad_y
        return (grad_x,)

    return Forward(x[kept].copy(), grad_inputs)


def reshape(
    layer: Reshape, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Read the same elements under another shape, and back."""
    del weights, mode
    (x,) = inputs
    y = x.reshape(len(x), *layer.output_shape(x.shape[1:]))
    return Forward(y, lambda grad_y: (grad_y.reshape(x.shape),))


def permute(
    layer: Permute, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[i₀, i₁, …] = x[j₀, j₁, …]`` with ``j[axes[k]] = i[k]``, and back."""
    del weights, mode
    (x,) = inputs
    return Forward(
        _permuted(x, layer.axes),
        lambda grad_y: (_permuted(grad_y, PermuteStep(layer.axes).inverse.axes),),
    )


def _permuted(x: Array, axes: tuple[int, ...]) -> Array:
    return np.ascontiguousarray(x.transpose(0, *(axis + 1 for axis in axes)))


def crop2d(
    layer: Crop2D, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[i, j] = x[i + top, j + left]``; what was cut off receives 0."""
    del weights, mode
    (x,) = inputs
    height, width, _ = layer.output_shape(x.shape[1:])
    size = height, width
    return Forward(
        crop(x, layer.sides, size).copy(), lambda grad_y: (pad(grad_y, layer.sides),)
    )


def pad_channels(
    layer: PadChannels, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Put zeros before and behind the channels; their derivatives lead nowhere."""
    del weights, mode
    (x,) = inputs
    sides = (*((0, 0),) * (x.ndim - 1), (layer.before, layer.after))
    end = layer.before + x.shape[-1]
    return Forward(
        np.pad(x, sides), lambda grad_y: (grad_y[..., layer.before : end].copy(),)
    )


def depth_to_space(
    layer: DepthToSpace, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[i·b + u, j·b + v, c] = x[i, j, k]`` with k of (u, v, c) by the order."""
    del weights, mode
    return _split_and_joined(layer, inputs[0])


def space_to_depth(
    layer: SpaceToDepth, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[i, j, k] = x[i·b + u, j·b + v, c]`` with k of (u, v, c) by the order."""
    del weights, mode
    return _split_and_joined(layer, inputs[0])


def channel_shuffle(
    layer: ChannelShuffle, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y[…, k·g + i] = x[…, i·C/g + k]``: a matrix of g rows, transposed."""
    del weights, mode
    return _split_and_joined(layer, inputs[0])


def _split_and_joined(layer: Rearrangement, x: Array) -> Forward:
    """Split axes, permute them, join them; the gradient is split as y was joined."""
    split, order, joined = layer.steps(x.shape[1:])
    if not isinstance(split, ReshapeStep) or not isinstance(order, PermuteStep):
        raise TypeError(type(layer))
    parts = (len(x), *split.shape)
    turned = (len(x), *order.output_shape(split.shape))
    y = _permuted(x.reshape(parts), order.axes)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grad = _permuted(grad_y.reshape(turned), order.inverse.axes)
        return (grad.reshape(x.shape),)

    return Forward(y.reshape(len(x), *joined.output_shape(())), grad_inputs)
