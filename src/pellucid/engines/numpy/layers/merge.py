"""Layers with several inputs: forward and backward pass.

Inputs of one shape are the plain case. Otherwise an element of an input with length 1
somewhere (or without some leading axis) stands for many elements; it moved each of
them, so its derivative is the sum of theirs: `sum_to`.
"""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.layers import Add, Concat, Maximum, Multiply, Subtract


def align(inputs: tuple[Array, ...]) -> list[Array]:
    """Insert axes of length 1 behind the batch, until all have as many."""
    rank = max(x.ndim for x in inputs)
    return [x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in inputs]


def sum_to(grad: Array, shape: tuple[int, ...]) -> Array:
    """Sum over the axes that broadcasting stretched: shape (N, …) as the input had."""
    missing = tuple(range(1, 1 + grad.ndim - len(shape)))
    total: Array = grad.sum(axis=missing) if missing else grad
    axes = tuple(
        axis for axis, n in enumerate(shape) if axis and n == 1 < total.shape[axis]
    )
    return total.sum(axis=axes, keepdims=True) if axes else total


def add(layer: Add, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Forward:
    """``y = Σ xₖ``; every branch receives grad_y."""
    del layer, weights, mode
    first, *others = align(inputs)
    y = first + others[0]
    for x in others[1:]:
        y = y + x
    return Forward(y, lambda grad_y: tuple(sum_to(grad_y, x.shape) for x in inputs))


def subtract(
    layer: Subtract, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = x₀ − x₁``; the branches receive grad_y and −grad_y."""
    del layer, weights, mode
    first, second = align(inputs)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return sum_to(grad_y, inputs[0].shape), sum_to(-grad_y, inputs[1].shape)

    return Forward(first - second, grad_inputs)


def multiply(
    layer: Multiply, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = Π xₖ``; ``∂L/∂xₖ = grad_y · Π xⱼ`` over the other branches.

    The others are multiplied from both sides, not divided out: an x may be 0.
    """
    del layer, weights, mode
    factors = align(inputs)
    before = [np.ones_like(factors[0])]  # before[k] = x₀ ⋯ xₖ₋₁
    for x in factors:
        before.append(before[-1] * x)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grads = []
        for k in reversed(range(len(factors))):
            grads.append(sum_to(grad_y * before[k], inputs[k].shape))
            grad_y = grad_y * factors[k]  # now of x₀ ⋯ xₖ₋₁
        return tuple(reversed(grads))

    return Forward(before[-1], grad_inputs)


def maximum(
    layer: Maximum, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = max xₖ``; the first largest branch takes the derivative.

    Only the winner moves the output, as in a max-pool. NaN wins.
    """
    del layer, weights, mode
    candidates = align(inputs)
    y = candidates[0]
    winner = np.zeros(y.shape, np.intp)
    for k, x in enumerate(candidates[1:], start=1):
        winner = np.where(is_kept(y, x), winner, k)
        y = np.maximum(y, x)

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        return tuple(
            sum_to(grad_y * (winner == k), x.shape) for k, x in enumerate(inputs)
        )

    return Forward(y, grad_inputs)


def is_kept(x: Array, other: Array) -> Array:
    """Return where the maximum of two is the first: larger, equal, or NaN."""
    kept: Array = (x >= other) | np.isnan(x)
    return kept


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
