"""This file is a network as steps on one workspace, for code without an allocator."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.network.layers import Input, Shape

#: layers that may write over what they read
_IN_PLACE = (
    pl.BatchNorm,
    pl.GELU,
    pl.LayerNorm,
    pl.LeakyReLU,
    pl.ReLU,
    pl.SiLU,
    pl.Sigmoid,
    pl.Softmax,
    pl.Tanh,
)
#: layers whose output is their input, number for number
_VIEWS = (pl.Dropout, pl.Flatten)
_ALIGNMENT = 16  # numbers: 64 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNode:
    """One node: where its numbers come from and go to in the workspace.

    ``sources`` and ``target`` count numbers from the workspace's beginning;
    ``scratch`` is a place for the padded image, None where there is none.
    """

    node: Node
    layer: Any
    shapes: tuple[Shape, ...]
    shape: Shape
    sources: tuple[int, ...]
    target: int
    scratch: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """The steps in order, where input and output lie, and the workspace's size."""

    nodes: tuple[PlannedNode, ...]
    input: int
    output: int
    size: int


def get_pads(layer: Any, shape: Shape) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of a layer with a window."""
    (top, bottom), (left, right) = layer.pads((shape[0], shape[1]))
    return top, left, bottom, right


def count_scratch_elements(layer: Any, shape: Shape) -> int:
    """Return how many numbers a padded image of a convolution takes; 0 if none."""
    if not isinstance(layer, pl.Conv2D):
        return 0
    top, left, bottom, right = get_pads(layer, shape)
    if not top + left + bottom + right:
        return 0
    return (shape[0] + top + bottom) * (shape[1] + left + right) * shape[2]


class Workspace:
    """Places of the workspace: first fit, freed after the last reader."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []
        self.size = 0

    def take(self, count: int) -> int:
        start = 0
        for begin, end in sorted(self.taken):
            if begin - start >= count:
                break
            start = max(start, end)
        end = start + -(-count // _ALIGNMENT) * _ALIGNMENT
        self.taken.append((start, end))
        self.size = max(self.size, end)
        return start

    def free(self, start: int) -> None:
        self.taken = [place for place in self.taken if place[0] != start]


def plan_memory(network: Network) -> MemoryPlan:
    """Return the steps of a network and their places."""
    space, places = Workspace(), dict[str, int]()
    entry, exit_ = network.inputs[0], network.outputs[0]
    left = {node.name: len(network.consumers[node.name]) for node in network.nodes}
    left[exit_] += 1
    readers: dict[int, int] = {}  # place → nodes that will still read it
    nodes = []
    for node in network.nodes:
        shape = network.shapes[node.name]
        if isinstance(node.layer, Input):
            places[node.name] = space.take(prod(shape))
            readers[places[node.name]] = left[node.name]
            continue
        sources = tuple(places[source] for source in node.inputs)
        first = sources[0]
        is_last = readers[first] == 1
        needed = count_scratch_elements(node.layer, network.shapes[node.inputs[0]])
        scratch = space.take(needed) if needed else None
        if isinstance(node.layer, _VIEWS) or (
            isinstance(node.layer, _IN_PLACE) and is_last
        ):
            target = first
        else:
            target = space.take(prod(shape))
        nodes.append(
            PlannedNode(
                node=node,
                layer=node.layer,
                shapes=network.input_shapes(node),
                shape=shape,
                sources=sources,
                target=target,
                scratch=scratch,
            )
        )
        places[node.name] = target
        readers[target] = readers.get(target, 0) + left[node.name]
        for source in sources:
            readers[source] -= 1
        for source in {*sources, target}:
            if readers[source] == 0:
                space.free(source)
                del readers[source]
        if scratch is not None:
            space.free(scratch)
    return MemoryPlan(
        nodes=tuple(nodes), input=places[entry], output=places[exit_], size=space.size
    )
