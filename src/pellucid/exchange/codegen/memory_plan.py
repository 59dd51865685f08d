"""Memory plan: where each node's output lies in one workspace.

First-fit allocation over live ranges: a buffer is freed after its last reader, and
elementwise layers write over their input where nothing else reads it.
"""

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
    pl.GroupNorm,
    pl.InstanceNorm,
    pl.L2Normalize,
    pl.LayerNorm,
    pl.PReLU,
    pl.Rescale,
    pl.LogSoftmax,
    pl.Softmax,
    pl.Pointwise,
)
#: layers whose output is their input, element for element
_VIEWS = (pl.Dropout, pl.Flatten, pl.Reshape)
_ALIGNMENT = 16  # elements: 64 bytes of float32


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNode:
    """One node and its buffers in the workspace.

    ``sources`` and ``target`` are offsets in elements from the workspace's beginning;
    ``scratch`` is that of the padded image, None where there is none.
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
    """Nodes in order, offsets of inputs and outputs, the workspace's size in elements.

    Inputs and outputs stand in the network's order.
    """

    nodes: tuple[PlannedNode, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    size: int


def get_pads(layer: Any, shape: Shape) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of a layer with a window."""
    (top, bottom), (left, right) = layer.pads((shape[0], shape[1]))
    return top, left, bottom, right


def count_scratch_elements(layer: Any, shape: Shape) -> int:
    """Return the elements of a convolution's padded image; 0 without padding."""
    if isinstance(layer, pl.Conv1D):
        layer, shape = layer.as_2d(), (1, *shape)
    if not isinstance(layer, pl.Conv2D):
        return 0
    top, left, bottom, right = get_pads(layer, shape)
    if not top + left + bottom + right:
        return 0
    return (shape[0] + top + bottom) * (shape[1] + left + right) * shape[2]


class Workspace:
    """Allocator of the workspace: first fit, aligned to `_ALIGNMENT` elements."""

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
    """Plan the buffers of a network; sizes and offsets are in elements."""
    space, places = Workspace(), dict[str, int]()
    left = {node.name: len(network.consumers[node.name]) for node in network.nodes}
    for name in network.outputs:  # stays until all has run
        left[name] += 1
    readers: dict[int, int] = {}  # place → nodes that will still read it
    nodes = []
    for name in network.inputs:  # all of them are there before anything runs
        places[name] = space.take(prod(network.shapes[name]))
        readers[places[name]] = left[name]
    # walk in topological order; a buffer lives until its last reader has run
    for node in network.nodes:
        shape = network.shapes[node.name]
        if isinstance(node.layer, Input):
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
        for name in set(node.inputs):  # a node that reads it twice is one reader
            readers[places[name]] -= 1
        for source in {*sources, target}:
            if readers[source] == 0:
                space.free(source)
                del readers[source]
        if scratch is not None:
            space.free(scratch)
    return MemoryPlan(
        nodes=tuple(nodes),
        inputs=tuple(places[name] for name in network.inputs),
        outputs=tuple(places[name] for name in network.outputs),
        size=space.size,
    )
