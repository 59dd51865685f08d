"""Layers that keep the largest of several candidates: max-pools and Maximum.

Each candidate has the output's shape: the pixels that one cell of the windows meets, or
one input. Of equal candidates the first is kept, and takes the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid.engines.numpy.layers.merge import align, sum_to
from pellucid.engines.numpy.layers.pool import DENSE
from pellucid.engines.numpy.layers.windows import cells, crop, pad
from pellucid.engines.protocol import Array
from pellucid.network.layers import (
    GlobalMaxPool2D,
    Layer,
    Maximum,
    MaxPool1D,
    MaxPool2D,
)

_CHOICES = (GlobalMaxPool2D, Maximum, MaxPool1D, MaxPool2D)
Inputs = Sequence[Array]
Back = Callable[[Array], tuple[Array, ...]]


def is_choice(layer: Layer) -> bool:
    """Return whether a layer keeps the largest of several candidates."""
    return isinstance(layer, _CHOICES)


def find_winners(layer: Layer, inputs: Inputs) -> Array:
    """Return the number of the candidate that each output is, uint16."""
    best, *others = _candidates(layer, inputs)
    best = best.copy()
    winners = np.zeros(best.shape, np.uint16)
    for number, value in enumerate(others, start=1):
        is_larger = value > best
        winners[is_larger] = number
        np.maximum(best, value, out=best)
    return winners


def find_best_two(layer: Layer, *inputs: Array) -> tuple[Array, Array, Array]:
    """Return how far the two largest candidates are apart, and which they are.

    Returns
    -------
    gap : ndarray, shape of the output
        0 where they are equal.
    first, second : ndarray of uint16, shape of the output
        Numbers of the candidates; of equal ones the first comes first.
    """
    first, *others = _candidates(layer, inputs)
    first = first.copy()
    second = np.full_like(first, -np.inf)
    winner, runner_up = (np.zeros(first.shape, np.uint16) for _ in range(2))
    for number, value in enumerate(others, start=1):
        wins, follows = value > first, value > second
        runner_up = np.where(wins, winner, np.where(follows, number, runner_up))
        second = np.where(wins, first, np.maximum(second, value))
        winner[wins] = number
        first = np.maximum(first, value)
    return first - second, winner, runner_up.astype(np.uint16)


def vjp(layer: Layer, inputs: Inputs, winners: Array) -> Back:
    """Return the gradient of a layer whose winners are given."""
    if isinstance(layer, Maximum):
        return lambda grad_y: tuple(
            sum_to(grad_y * (winners == k), x.shape) for k, x in enumerate(inputs)
        )
    pool, x, lost = _as_pool(layer, inputs[0])
    padded, window = _list_windows(pool, x)
    pads, size = pool.pads((x.shape[1], x.shape[2])), (x.shape[1], x.shape[2])

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grad = np.zeros(padded.shape, grad_y.dtype)
        given, won = (np.expand_dims(a, lost) for a in (grad_y, winners))
        for number, where in enumerate(window):
            grad[where] += given * (won == number)
        return (crop(grad, pads, size).reshape(inputs[0].shape),)

    return grad_inputs


def _candidates(layer: Layer, inputs: Inputs) -> list[Array]:
    if isinstance(layer, Maximum):
        return list(np.broadcast_arrays(*align(tuple(inputs))))
    pool, x, lost = _as_pool(layer, inputs[0])
    padded, window = _list_windows(pool, x)
    return [np.squeeze(padded[where], lost) for where in window]


def _as_pool(layer: Any, x: Array) -> tuple[MaxPool2D, Array, tuple[int, ...]]:
    """Return a pool of images, its input, and the axes that the layer's has not."""
    if isinstance(layer, MaxPool1D):
        return layer.as_2d(), x[:, None], (1,)
    if isinstance(layer, GlobalMaxPool2D):
        return layer.window(x.shape[1:]), x, (1, 2)
    if not isinstance(layer, MaxPool2D):
        raise TypeError(type(layer))
    return layer, x, ()


def _list_windows(layer: MaxPool2D, x: Array) -> tuple[Array, list[Any]]:
    """Return x padded by −∞, and for each window cell the pixels it meets."""
    height, width, _ = layer.output_shape(x.shape[1:])
    padded = pad(x, layer.pads((x.shape[1], x.shape[2])), value=-np.inf)
    around = cells(layer.kernel, layer.strides, DENSE, (height, width))
    return padded, [where for _, _, where in around]
