"""Branches taken at the network's non-differentiable points.

ReLU has a corner at 0, and a max-pool one wherever two cells of a window are equal. A
number that rounding moves across a corner changes the derivative by a jump, however
small the move: both derivatives are right, each for its side. So derivatives are
compared on the same side: the reference is differentiated once more, in float64, with
the sides that the engine took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from pellucid.engines.numpy import NumpySession
from pellucid.engines.numpy.layers import Forward
from pellucid.engines.numpy.layers.pool import DENSE
from pellucid.engines.numpy.layers.windows import cells, crop, pad
from pellucid.engines.protocol import Array
from pellucid.network import Network
from pellucid.network.expression import conditions
from pellucid.network.expression.evaluate import compute, compute_on_sides
from pellucid.network.layers import Layer, MaxPool2D, Pointwise

NEAR = 1e-6  # of a corner: what float32 may not be able to tell apart

Branches = dict[str, Array]
Records = dict[str, Forward]
Back = Callable[[Array], tuple[Array, ...]]


class Count(NamedTuple):
    """How much of a batch lies near a corner.

    kinks : int
        Inputs of pointwise layers nearer to a corner than 1e-6 (of ReLU: to 0).
    ties : int
        Windows of max-pools whose two largest values are nearer than 1e-6. Exact
        ties do not count: the first maximum wins on every engine.
    """

    kinks: int
    ties: int


def find_branches(network: Network, values: Mapping[str, Array]) -> Branches:
    """Return the sides that were taken.

    Parameters
    ----------
    network : Network
    values : mapping of node name to ndarray, shape (N, …)
        Every node's output.

    Returns
    -------
    dict of node name to ndarray
        Pointwise layers: bool, where each comparison of the derivative holds (of
        ReLU: where the input is positive), on a last axis if there are several.
        Max-pools: the number of the winning cell, uint16, shape of the output.
    """
    found: Branches = {}
    for node in network.nodes:
        if has_corners(node.layer):
            found[node.name] = sides_of(node.layer, values[node.inputs[0]])
        elif isinstance(node.layer, MaxPool2D):
            found[node.name] = _find_winners(node.layer, values[node.inputs[0]])
    return found


def has_corners(layer: Layer) -> bool:
    """Return whether a layer is pointwise and its derivative jumps somewhere."""
    return isinstance(layer, Pointwise) and bool(conditions(layer.derivative))


def sides_of(layer: Any, x: Array) -> Array:
    """Return where each comparison holds, on a last axis if there are several."""
    held = [compute(condition, x=x) for condition in conditions(layer.derivative)]
    return _joined([np.broadcast_to(side, x.shape) for side in held])


def distances_of(layer: Any, x: Array) -> Array:
    """Return how far both sides of each comparison are apart, as `sides_of`."""
    apart = []
    for condition in conditions(layer.derivative):
        left, right = (compute(side, x=x) for side in condition.arguments)
        apart.append(np.broadcast_to(np.abs(left - right), x.shape))
    return _joined(apart)


def _joined(arrays: list[Array]) -> Array:
    return arrays[0].copy() if len(arrays) == 1 else np.stack(arrays, axis=-1)


def count_differences(mine: Branches, theirs: Branches) -> int:
    """Return how many sides differ."""
    return sum(int(np.count_nonzero(mine[name] != theirs[name])) for name in theirs)


def count_near(network: Network, values: Mapping[str, Array]) -> Count:
    """Count what lies near a corner, given every node's output."""
    kinks = ties = 0
    for node in network.nodes:
        if has_corners(node.layer):
            distances = distances_of(node.layer, values[node.inputs[0]])
            kinks += int(np.count_nonzero(distances < NEAR))
        elif isinstance(node.layer, MaxPool2D):
            ties += _count_near_ties(node.layer, values[node.inputs[0]])
    return Count(kinks, ties)


def _list_windows(layer: MaxPool2D, x: Array) -> tuple[Array, list[Any]]:
    """Return x padded by −∞, and for each window cell the pixels it meets."""
    height, width, _ = layer.output_shape(x.shape[1:])
    padded = pad(x, layer.pads((x.shape[1], x.shape[2])), value=-np.inf)
    around = cells(layer.kernel, layer.strides, DENSE, (height, width))
    return padded, [where for _, _, where in around]


def _find_winners(layer: MaxPool2D, x: Array) -> Array:
    """Return which cell of each window is its first maximum."""
    padded, window = _list_windows(layer, x)
    best = padded[window[0]].copy()
    winners = np.zeros(best.shape, np.uint16)
    for number, where in enumerate(window[1:], start=1):
        is_larger = padded[where] > best
        winners[is_larger] = number
        np.maximum(best, padded[where], out=best)
    return winners


def find_best_two(layer: MaxPool2D, x: Array) -> tuple[Array, Array, Array]:
    """Return how far the two largest cells of each window are apart, and which.

    Returns
    -------
    gap : ndarray, shape of the output
        0 where they are equal.
    first, second : ndarray of uint16, shape of the output
        Numbers of the cells; of equal ones the first comes first.
    """
    padded, window = _list_windows(layer, x)
    first = padded[window[0]].copy()
    second = np.full_like(first, -np.inf)
    winner, runner_up = (np.zeros(first.shape, np.uint16) for _ in range(2))
    for number, where in enumerate(window[1:], start=1):
        value = padded[where]
        wins, follows = value > first, value > second
        runner_up = np.where(wins, winner, np.where(follows, number, runner_up))
        second = np.where(wins, first, np.maximum(second, value))
        winner[wins] = number
        first = np.maximum(first, value)
    return first - second, winner, runner_up.astype(np.uint16)


def _count_near_ties(layer: MaxPool2D, x: Array) -> int:
    gap, _, _ = find_best_two(layer, x)
    return int(np.count_nonzero((gap > 0) & (gap < NEAR)))


class BranchSession(NumpySession):
    """A session of the NumPy engine that differentiates with given corners.

    Attributes
    ----------
    corners : mapping of node name to ndarray
        As `find_branches` returns them; its own where empty.
    """

    branches: Mapping[str, Array] = {}

    def _masks(self, count: int, start: int = 0) -> Mapping[str, Array]:
        # corners go where dropout's masks go, so that parts of a batch get theirs
        return {**super()._masks(count, start), **self.branches}

    def _run(
        self, images: Array, *, is_training: bool, masks: Mapping[str, Array]
    ) -> Records:
        """Run every node, and give those with a corner the derivative of its side."""
        records = super()._run(images, is_training=is_training, masks=masks)
        for node in self._network.nodes:
            if node.name in masks and node.name in self.branches:
                x, side = records[node.inputs[0]].output, masks[node.name]
                back = _vjp_on_branch(node.layer, x, side)
                records[node.name] = records[node.name]._replace(grad_inputs=back)
        return records


def _vjp_on_branch(layer: Layer, x: Array, side: Array) -> Back:
    """Return the derivative by the input of a layer whose side is given."""
    if isinstance(layer, MaxPool2D):
        return _max_pool_vjp(layer, x, side)
    if not isinstance(layer, Pointwise):
        raise TypeError(type(layer))
    found = conditions(layer.derivative)
    sides = [side] if len(found) == 1 else np.moveaxis(side, -1, 0)
    given = dict(zip(found, sides, strict=True))
    slopes = compute_on_sides(layer.derivative, given, x=x).astype(x.dtype)
    return lambda grad_y: (grad_y * slopes,)


def _max_pool_vjp(layer: MaxPool2D, x: Array, winners: Array) -> Back:
    """Return the derivative of a max-pool whose winners are given."""
    padded, window = _list_windows(layer, x)
    pads, size = layer.pads((x.shape[1], x.shape[2])), (x.shape[1], x.shape[2])

    def grad_inputs(grad_y: Array) -> tuple[Array, ...]:
        grad = np.zeros(padded.shape, grad_y.dtype)
        for number, where in enumerate(window):
            grad[where] += grad_y * (winners == number)
        return (crop(grad, pads, size),)

    return grad_inputs
