"""Layers that only move elements: forward and backward pass.

The gradient of an element goes back to the place that it was taken from: a reshape
and a permutation are undone, what a slice left out receives 0.
"""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.layers import Permute, Reshape, Slice
from pellucid.network.rearrangement import PermuteStep


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
