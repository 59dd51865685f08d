"""Lower sums, differences, products and maxima to kernel calls, pair by pair."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.kernels.elementwise import arithmetic as kernels
from pellucid.engines.compiled.kernels.elementwise import channelwise
from pellucid.engines.compiled.kernels.elementwise.arithmetic import (
    Operation,
    Pairwise,
    PairwiseGrad,
    Same,
    SameGrad,
    view,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout, pad_channels
from pellucid.engines.compiled.lowering.context import LoweringContext, shape_of
from pellucid.engines.compiled.lowering.layers import geometry
from pellucid.engines.compiled.program.program_ir import BufferRef, Value
from pellucid.network.layers import Add, Layer, Maximum, Multiply, Shape, Subtract
from pellucid.network.layers.merge import broadcast
from pellucid.network.node import Node

OPERATIONS: dict[type[Layer], Operation] = {
    Add: "add",
    Maximum: "maximum",
    Multiply: "multiply",
    Subtract: "subtract",
}


@dataclass(frozen=True, slots=True)
class _Operand:
    """A value with its shape, and the node to whose derivative its own is added.

    The result of a part has no node.
    """

    value: Value
    shape: Shape
    node: str | None = None


def lower_add(low: LoweringContext, node: Node) -> None:
    """Add the steps of Add: plain sums where all inputs have one shape."""
    if len(set(low.network.input_shapes(node))) == 1:
        geometry.lower_add(low, node)
    else:
        lower(low, node)


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of a layer that takes its inputs from left to right."""
    if node.name in low.gated:
        _gate_in_place(low, node)
        return
    shapes = low.network.input_shapes(node)
    operation = OPERATIONS[type(node.layer)]
    operands = [
        _Operand(low.values[source], shape, source)
        for source, shape in zip(node.inputs, shapes, strict=True)
    ]
    first, pairs = operands[0], list[tuple[_Operand, _Operand, _Operand]]()
    for i, other in enumerate(operands[1:], start=2):
        is_last = i == len(operands)
        shape = broadcast(node.layer.who, first.shape, other.shape)
        if is_last:
            result = _Operand(low.output(node.name), shape)
        else:
            m = _layout(low, shape)
            result = _Operand(low.scratch(f"{node.name} of {i}", m), shape)
        _forward(low, node, operation, (first, other, result))
        pairs.append((first, other, result))
        first = result

    def back() -> None:
        grad = low.grads[node.name]
        for pair in reversed(pairs):
            grad = _backward(low, node, operation, pair, grad)

    low.on_back(node.name, back)


def _gate_in_place(low: LoweringContext, node: Node) -> None:
    """Add the step that multiplies an image with a gate where it lies."""
    image = low.gated[node.name]
    (name,) = (source for source in node.inputs if source != image)
    y, gate = low.values[image], low.values[name]
    low.values[node.name] = y
    low.step(
        channelwise.gate_in_place,
        channelwise.Gate(y.map, gate.map),
        gate,
        y,
        node=node.name,
        parts=y.map.height,
    )


def _layout(low: LoweringContext, shape: Shape) -> ImageLayout:
    height, width, channels = shape_of(shape)
    padded_channels = pad_channels(channels, low.target.lanes)
    return ImageLayout(height, width, channels, padded_channels)


def _forward(
    low: LoweringContext,
    node: Node,
    operation: Operation,
    operands: tuple[_Operand, _Operand, _Operand],
) -> None:
    x, other, y = operands
    places = [BufferRef(operand.value.buffer) for operand in operands]
    if x.shape == other.shape:
        maps = (operand.value.map for operand in operands)
        spec = Same(operation, *maps)
        low.step(kernels.same_forward, spec, *places, node=node.name)
        return
    views = (view(operand.value.map, operand.shape, y.shape) for operand in operands)
    pair = Pairwise(operation, y.shape, *views)
    low.step(kernels.pairwise_forward, pair, *places, node=node.name)


def _backward(
    low: LoweringContext,
    node: Node,
    operation: Operation,
    operands: tuple[_Operand, _Operand, _Operand],
    grad_y: Value,
) -> Value:
    """Add the steps back of one pair; return the derivative by its first operand."""
    x, other, y = operands
    passed = grad_y
    for operand in (x, other):
        is_first = operand is x
        if operand.node is None:
            m = operand.value.map.with_halo(((0, 0), (0, 0)))
            passed = low.scratch(f"grad {operand.value.buffer.name}", m)
            to, accumulate = passed, False
        elif operand.node in low.learners:
            to, accumulate = low.grad_target(operand.node)
        else:
            continue
        places = [BufferRef(v.buffer) for v in (x.value, other.value, grad_y, to)]
        if x.shape == other.shape:
            same = Same(operation, x.value.map, other.value.map, grad_y.map)
            low.step(
                kernels.same_backward,
                SameGrad(same, to.map, is_first, accumulate),
                *places,
                node=node.name,
            )
            continue
        values = ((x.value.map, x.shape), (other.value.map, other.shape))
        pair = Pairwise(
            operation,
            y.shape,
            *(view(m, shape, y.shape) for m, shape in (*values, (grad_y.map, y.shape))),
        )
        spec = PairwiseGrad(
            pair, view(to.map, operand.shape, y.shape), is_first, accumulate
        )
        low.step(kernels.pairwise_backward, spec, *places, node=node.name)
    return passed
