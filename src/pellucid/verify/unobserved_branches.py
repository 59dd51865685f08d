"""Branches of non-differentiable points that an engine took unobserved.

An engine may train by another path than the one that shows its activations: fused, or
by another algorithm for its convolutions. Within rounding of a corner it may then be on
either side, unseen. Each such corner alone changes the derivatives by a known jump, and
jumps add up: of those that lie along what is to be explained, the ones are sought whose
sum comes nearest. What is found is a proposal. On those sides the engine must agree
within the same tolerance as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from pellucid.engines.protocol import Array
from pellucid.network import Network
from pellucid.verify.choices import find_best_two, is_choice
from pellucid.verify.nonsmooth import (
    NEAR,
    Branches,
    distances_of,
    has_corners,
)

Tensors = dict[str, Array]
MOST = 1000  # corners that are tried, the nearest first
LIKELY = 0.25  # share of a jump in what is to be explained, above which it may be taken


class Flip(NamedTuple):
    """One corner on its other side, and how far from it the reference is."""

    distance: float
    node: str
    place: tuple[int, ...]
    side: int


def find_unobserved_branches(
    network: Network,
    values: Mapping[str, Array],
    branches: Branches,
    gradients_of: Callable[[Branches], Tensors],
    found: Tensors,
    *,
    rounding: Mapping[str, float],
) -> Branches:
    """Return the sides on which an engine's derivatives are most likely to be.

    Parameters
    ----------
    network : Network
    values : mapping of node name to ndarray
        Every node's output in float64.
    corners : mapping of node name to ndarray
        The sides that the engine showed.
    gradients_of : callable
        The derivatives in float64 on given sides.
    found : dict of weight name to ndarray
        The engine's derivatives.
    rounding : mapping of node name to float
        How far the engine's outputs are from the values: so far from a corner its
        side is open.

    Returns
    -------
    mapping of node name to ndarray
        ``corners`` where no other side explains more.
    """
    flips = list_flips(network, values, branches, rounding)[:MOST]
    if not flips or not all(np.isfinite(array).all() for array in found.values()):
        return branches
    base = gradients_of(branches)
    scales = {name: float(np.abs(array).max()) or 1.0 for name, array in base.items()}

    def flat(grads: Tensors) -> Array:
        return np.concatenate(
            [((grads[n] - base[n]) / scales[n]).ravel() for n in base]
        )

    wanted, likely, jumps = flat(found), list[Flip](), list[Array]()
    for flip in flips:
        jump = flat(gradients_of(flip_branches(branches, [flip])))
        if jump @ wanted > LIKELY * (jump @ jump):
            likely.append(flip)
            jumps.append(jump)
    if not likely:
        return branches
    is_taken = select_jumps(np.stack(jumps, axis=1), wanted)
    taken = [flip for flip, is_so in zip(likely, is_taken, strict=True) if is_so]
    return flip_branches(branches, taken) if taken else branches


def select_jumps(jumps: Array, wanted: Array) -> Array:
    """Return which columns have a sum near to what is wanted.

    Parameters
    ----------
    jumps : ndarray, shape (size, count)
    wanted : ndarray, shape (size,)

    Returns
    -------
    ndarray of bool, shape (count,)

    Notes
    -----
    Where the columns lie in different directions, least squares tell. Over a flat
    background the jumps of many places lie in one, and differ in length: there the
    shares spread over all of them. So from nothing, and from what least squares say,
    one column at a time is taken or given back, the best first, while that comes
    nearer.
    """
    shares = np.linalg.lstsq(jumps, wanted, rcond=None)[0]
    starts = np.zeros(len(shares), bool), shares > 0.5
    tries = [_improve(jumps, wanted, start) for start in starts]
    return min(tries, key=lambda taken: np.linalg.norm(wanted - jumps @ taken))


def _improve(jumps: Array, wanted: Array, taken: Array) -> Array:
    """Take or give back columns, one at a time, while the sum comes nearer."""
    lengths = np.einsum("ij,ij->j", jumps, jumps)
    for _ in range(2 * len(taken)):
        signs = np.where(taken, -1.0, 1.0)
        gains = 2 * signs * ((wanted - jumps @ taken) @ jumps) - lengths
        best = np.argmax(gains)
        if gains[best] <= 1e-9 * lengths[best]:
            break
        taken = taken.copy()
        taken[best] = not taken[best]
    return taken


def list_flips(
    network: Network,
    values: Mapping[str, Array],
    branches: Branches,
    rounding: Mapping[str, float],
) -> list[Flip]:
    """Return what lies within rounding of a corner, the nearest first."""
    flips: list[Flip] = []
    for node in network.nodes:
        near = max([NEAR, *(rounding.get(source, 0.0) for source in node.inputs)])
        if has_corners(node.layer):
            apart = distances_of(node.layer, values[node.inputs[0]])
            mine = branches[node.name]
            for index in map(tuple, np.argwhere(apart < near)):
                flips.append(Flip(apart[index], node.name, index, not mine[index]))
        elif is_choice(node.layer):
            inputs = [values[source] for source in node.inputs]
            gap, first, second = find_best_two(node.layer, *inputs)
            mine = branches[node.name]
            for index in map(tuple, np.argwhere((gap > 0) & (gap < near))):
                is_first = mine[index] == first[index]
                other = second[index] if is_first else first[index]
                flips.append(Flip(gap[index], node.name, index, other))
    return sorted(flips, key=lambda flip: flip.distance)


def flip_branches(branches: Branches, flips: list[Flip]) -> Branches:
    """Return the sides with some of them changed."""
    changed = {flip.node: branches[flip.node].copy() for flip in flips}
    for flip in flips:
        changed[flip.node][flip.place] = flip.side
    return {**branches, **changed}
