"""Lower layers that only move elements to strided copies."""

from __future__ import annotations

from math import prod

from pellucid.engines.compiled.kernels.elementwise.strided_copy import (
    StridedCopy,
    strided_copy,
)
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import Buffer, BufferRef, Value
from pellucid.network.layers import Concat
from pellucid.network.layers.rearrange import Rearrangement
from pellucid.network.node import Node
from pellucid.network.rearrangement import ReshapeStep, SliceStep, Steps
from pellucid.network.strided import (
    Transfer,
    View,
    joined_axes,
    shifted,
    transfers,
)


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of a rearrangement: none where memory holds it already."""
    layer, (source,) = node.layer_as(Rearrangement), node.inputs
    shapes = low.network.shapes[source], low.network.shapes[node.name]
    steps = layer.steps(shapes[0])
    x = low.source(node)
    if _is_view(steps, x, low.map_of(node.name).is_plain, low):
        low.values[node.name] = Value(x.buffer, low.map_of(node.name))
    else:
        y = low.output(node.name)
        moves = transfers(steps, _view(shapes[0], x), _view(shapes[1], y))
        _add_copies(low, node.name, moves, (x.buffer, y.buffer))

    def back() -> None:
        if source not in low.learners:
            return
        grad = low.grads[node.name]
        plain = low.plain_map(source)
        if (
            source not in low.grads
            and low.can_share_grad(source)
            and _is_view(steps, grad, plain.is_plain, low)
        ):
            low.grads[source] = Value(grad.buffer, plain)
            return
        to, accumulate = low.grad_target(source)
        if not accumulate and any(isinstance(step, SliceStep) for step in steps):
            low.clear(to, node.name)
        moves = transfers(steps, _view(shapes[0], to), _view(shapes[1], grad))
        turned = [Transfer(move.target, move.source) for move in reversed(moves)]
        _add_copies(
            low, f"grad {node.name}", turned, (grad.buffer, to.buffer), accumulate
        )

    low.on_back(node.name, back)


def _is_view(
    steps: Steps, value: Value, is_other_plain: bool, low: LoweringContext
) -> bool:
    """Whether one reshape leaves all elements where they are."""
    is_reshape = len(steps) == 1 and isinstance(steps[0], ReshapeStep)
    is_kept = low.purpose.kind != "activations"
    return is_reshape and is_kept and value.map.is_plain and is_other_plain


def _view(shape: tuple[int, ...], value: Value) -> View:
    """Return how a node's value lies: leading axes of all but images are joined."""
    m = value.map
    begin = m.at(0, 0)
    if len(shape) == 3:
        return View(shape, (m.row, m.padded_channels, 1), begin)
    lead = shape[1:-1]
    strides = [m.padded_channels * prod(lead[i:]) for i in range(len(lead) + 1)]
    return View(shape, (*strides, 1)[-len(shape) :], begin)


def _add_copies(
    low: LoweringContext,
    name: str,
    moves: list[Transfer],
    ends: tuple[Buffer, Buffer],
    accumulate: bool = False,
) -> None:
    """Add a copy for each transfer, from the first buffer to the second."""
    buffer, last = ends
    for i, move in enumerate(moves):
        is_last = i == len(moves) - 1
        size = prod(move.target.sizes)
        to = last if is_last else low.buffer(f"{name} dense {i}", size, "image")
        add_copy(low, name, move, (buffer, to), is_last and accumulate)
        buffer = to


def add_copy(
    low: LoweringContext,
    name: str,
    move: Transfer,
    ends: tuple[Buffer, Buffer],
    accumulate: bool = False,
) -> None:
    """Add one copy between two buffers."""
    begin, to = move.source.offset, move.target.offset
    spec = StridedCopy(tuple(joined_axes(move)), begin, to, accumulate)
    low.step(strided_copy, spec, BufferRef(ends[0]), BufferRef(ends[1]), node=name)


def lower_concat(low: LoweringContext, node: Node) -> None:
    """Add the steps of a Concat along another axis than the channels."""
    layer = node.layer_as(Concat)
    shapes = low.network.shapes
    shape = shapes[node.name]
    axis = layer.resolved_axis(len(shape))
    sizes = [shapes[source][axis] for source in node.inputs]
    y = low.output(node.name)

    def part(value: Value, i: int) -> View:
        return shifted(_view(shape, value), axis, sum(sizes[:i]), sizes[i])

    for i, source in enumerate(node.inputs):
        x = low.values[source]
        move = Transfer(_view(shapes[source], x), part(y, i))
        add_copy(low, node.name, move, (x.buffer, y.buffer))

    def back() -> None:
        grad = low.grads[node.name]
        for i, source in enumerate(node.inputs):
            if source not in low.learners:
                continue
            to, accumulate = low.grad_target(source)
            move = Transfer(part(grad, i), _view(shapes[source], to))
            add_copy(low, node.name, move, (grad.buffer, to.buffer), accumulate)

    low.on_back(node.name, back)
