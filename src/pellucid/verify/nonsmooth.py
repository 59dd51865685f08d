"""Branches taken at the network's non-differentiable points.

ReLU has a corner at 0, and a max-pool one wherever two cells of a window are equal. A
number that rounding moves across a corner changes the derivative by a jump, however
small the move: both derivatives are right, each for its side. So derivatives are
compared on the same side: the reference is differentiated once more, in float64, with
the sides that the engine took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pellucid.engines.numpy import NumpySession
from pellucid.engines.numpy.layers import Forward
from pellucid.engines.protocol import Array
from pellucid.network import Network
from pellucid.network.expression import conditions
from pellucid.network.expression.evaluate import compute, compute_on_sides
from pellucid.network.layers import Layer, Pointwise, PReLU
from pellucid.verify.choices import find_best_two, find_winners, is_choice, vjp

NEAR = 1e-6  # of a corner: what float32 may not be able to tell apart

Branches = dict[str, Array]
Records = dict[str, Forward]
Back = Callable[[Array], tuple[Array, ...]]


class Count(NamedTuple):
    """How much of a batch lies near a corner.

    kinks : int
        Inputs of pointwise layers nearer to a corner than 1e-6 (of ReLU: to 0).
    ties : int
        Windows of max-pools whose two largest values are nearer than 1e-6, and
        elements of Maximum. Exact ties do not count: the first maximum wins on every
        engine.
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
        Max-pools and Maximum: the number of the winning cell or input, uint16, shape
        of the output.
    """
    found: Branches = {}
    for node in network.nodes:
        if has_corners(node.layer):
            found[node.name] = sides_of(node.layer, values[node.inputs[0]])
        elif is_choice(node.layer):
            inputs = [values[source] for source in node.inputs]
            found[node.name] = find_winners(node.layer, inputs)
    return found


def has_corners(layer: Layer) -> bool:
    """Return whether a layer works on single elements and its derivative jumps."""
    if isinstance(layer, Pointwise):
        return bool(conditions(layer.derivative))
    return isinstance(layer, PReLU)


def sides_of(layer: Any, x: Array) -> Array:
    """Return where each comparison holds, on a last axis if there are several."""
    if isinstance(layer, PReLU):
        positive: Array = x > 0
        return positive
    held = [compute(condition, x=x) for condition in conditions(layer.derivative)]
    return _joined([np.broadcast_to(side, x.shape) for side in held])


def distances_of(layer: Any, x: Array) -> Array:
    """Return how far both sides of each comparison are apart, as `sides_of`."""
    if isinstance(layer, PReLU):
        return np.abs(x)
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
        elif is_choice(node.layer):
            ties += _count_near_ties(node.layer, [values[n] for n in node.inputs])
    return Count(kinks, ties)


def _count_near_ties(layer: Layer, inputs: Sequence[Array]) -> int:
    gap, _, _ = find_best_two(layer, *inputs)
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
                inputs = [records[source].output for source in node.inputs]
                slope = self._parts.weights.get(f"{node.owner}.slope")
                back = _vjp_on_branch(node.layer, inputs, masks[node.name], slope)
                records[node.name] = records[node.name]._replace(grad_inputs=back)
        return records


def _vjp_on_branch(
    layer: Layer, inputs: Sequence[Array], side: Array, slope: Array | None
) -> Back:
    """Return the derivative by the inputs of a layer whose side is given."""
    if is_choice(layer):
        return vjp(layer, inputs, side)
    (x,) = inputs
    if isinstance(layer, PReLU):
        return lambda grad_y: (np.where(side, grad_y, grad_y * slope),)
    if not isinstance(layer, Pointwise):
        raise TypeError(type(layer))
    found = conditions(layer.derivative)
    sides = [side] if len(found) == 1 else np.moveaxis(side, -1, 0)
    given = dict(zip(found, sides, strict=True))
    slopes = compute_on_sides(layer.derivative, given, x=x).astype(x.dtype)
    return lambda grad_y: (grad_y * slopes,)
