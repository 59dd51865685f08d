"""Concatenations that grow in place: what begins as another one goes on in its memory.

A DenseNet's layers read [x0], [x0, x1], [x0, x1, x2], … Each of these is the
beginning of the next, so all of them lie in the memory of the last one, whose pixels
have room for all channels; a concatenation copies only what is new. Its readers take
pixels that lie further apart than they have channels.
"""

from __future__ import annotations

from typing import NamedTuple

from pellucid.engines.compiled.kernels.layout import NO_HALO
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.network.layers import BatchNorm, Concat
from pellucid.network.node import Node

Names = tuple[str, ...]


class Grown(NamedTuple):
    """A concatenation that lies in the memory of a larger one, or is the largest.

    ``begun`` is the one that it goes on with, empty for the first; ``end`` the last.
    """

    begun: str
    end: str


def grow_in_place(low: LoweringContext) -> None:
    """Find a prediction's concatenations that begin as others do."""
    if low.purpose.kind != "predict":
        return
    leaves: dict[str, Names] = {}
    after: dict[str, str] = {}
    for node in low.network.nodes:
        if not _joins_channels(low, node):
            continue
        first, *others = node.inputs
        leaves[node.name] = (*leaves.get(first, (first,)), *others)
        begun = _longest(node, leaves)
        if begun and begun not in after and _may_be_begun(low, begun):
            after[begun] = node.name
    for begun in after:
        if begun not in after.values():
            _join(low, begun, after)


def _join(low: LoweringContext, first: str, after: dict[str, str]) -> None:
    """Note the chain that begins with a concatenation."""
    chain = [first]
    while chain[-1] in after:
        chain.append(after[chain[-1]])
    if low.map_of(chain[-1]).halo == NO_HALO:
        for begun, name in zip(["", *chain], chain, strict=False):
            low.grown[name] = Grown(begun, chain[-1])


def _joins_channels(low: LoweringContext, node: Node) -> bool:
    shape = low.network.shapes[node.name]
    if not isinstance(node.layer, Concat) or len(shape) != 3:
        return False
    return node.layer.resolved_axis(len(shape)) == len(shape) - 1


def _longest(node: Node, leaves: dict[str, Names]) -> str:
    """Return the longest earlier concatenation that one goes on with, by its inputs."""
    whole, found = leaves[node.name], ""
    for name, own in leaves.items():
        rest = whole[len(own) :]
        goes_on = 0 < len(rest) <= len(node.inputs) and whole[: len(own)] == own
        if goes_on and rest == node.inputs[-len(rest) :]:
            found = name if not found or len(own) > len(leaves[found]) else found
    return found


def _may_be_begun(low: LoweringContext, name: str) -> bool:
    """Whether all readers of a concatenation take pixels that lie further apart."""
    m = low.map_of(name)
    is_whole = m.channels % low.target.lanes == 0 and m.halo == NO_HALO
    return (
        is_whole
        and name not in low.kept
        and all(
            isinstance(reader.layer, BatchNorm) or _joins_channels(low, reader)
            for reader in low.network.consumers[name]
        )
    )
