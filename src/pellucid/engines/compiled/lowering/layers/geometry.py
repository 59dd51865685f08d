"""Lower flatten, padding, upsampling, addition and concatenation."""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.elementwise.copies import Copy, Enlarge, Sum
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers.activation import (
    RELU,
    lower_activation_grad,
)
from pellucid.engines.compiled.program.program_ir import Value
from pellucid.network.layers import BatchNorm, Upsample2D, ZeroPad2D
from pellucid.network.node import Node


def lower_flatten(low: LoweringContext, node: Node) -> None:
    """Add the step of Flatten: none where the image lies in one run already."""
    x = low.source(node)
    flat = low.map_of(node.name)
    plain = _unpadded(x.map)
    if x.map.is_plain and low.purpose.kind != "activations":
        # zeros stand behind the last number: items are never packed tight
        low.values[node.name] = Value(x.buffer, flat)
    else:
        y = low.output(node.name)
        low.copy_whole(x, y, (x.map, plain), node.name)

    def back() -> None:
        source = node.inputs[0]
        if source not in low.learners:
            return
        grad = low.grads[node.name]
        if source not in low.grads and low.can_share_grad(source):
            m = low.plain_map(source)
            if m.is_plain:
                low.grads[source] = Value(grad.buffer, m)
                return
        to, accumulate = low.grad_target(source)
        low.copy_whole(grad, to, (plain, to.map), node.name, accumulate=accumulate)

    low.on_back(node.name, back)


def _unpadded(m: ImageLayout) -> ImageLayout:
    return ImageLayout(m.height, m.width, m.channels, m.channels)


def lower_pad(low: LoweringContext, node: Node) -> None:
    """Add the steps of ZeroPad2D: a copy into the middle."""
    layer = node.layer_as(ZeroPad2D)
    x, y = low.source(node), low.output(node.name)
    (top, _), (left, _) = layer.sides

    def rectangle(
        outer: ImageLayout, inner: ImageLayout
    ) -> tuple[int, int, int, int, int]:
        size = x.map.height, x.map.width, x.map.channels
        return (*size, outer.at(top, left), inner.at(0, 0))

    low.clear(y, node.name)
    *size, outer, inner = rectangle(y.map, x.map)
    spec = Copy(x.map, y.map, size[0], size[1], size[2], inner, outer)
    low.step(copies.copy, spec, x, y, node=node.name, parts=x.map.height)

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        *size, outer, inner = rectangle(grad.map, to.map)
        spec = Copy(
            grad.map, to.map, size[0], size[1], size[2], outer, inner, accumulate
        )
        low.step(copies.copy, spec, grad, to, node=node.name)

    low.on_input_grad(node, back)


def lower_upsample(low: LoweringContext, node: Node) -> None:
    """Add the steps of Upsample2D."""
    layer = node.layer_as(Upsample2D)
    x, y = low.source(node), low.output(node.name)
    low.step(
        copies.upsample_forward,
        Enlarge(x.map, y.map, layer.factors, layer.mode),
        x,
        y,
        node=node.name,
        parts=y.map.height,
    )

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        if not accumulate:
            low.clear(to, node.name)
        low.step(
            copies.upsample_backward,
            Enlarge(to.map, grad.map, layer.factors, layer.mode),
            grad,
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)


def lower_add(low: LoweringContext, node: Node) -> None:
    """Add the steps of Add."""
    after = low.fused.get(node.name)
    name = after.name if after else node.name
    y = low.output(name)
    first, *others = (low.values[name] for name in node.inputs)
    for other in others:
        spec = Sum(first.map, other.map, y.map, has_relu=after is not None)
        if first is y:
            low.copy_whole(other, y, (other.map, y.map), node.name, accumulate=True)
        else:
            low.step(
                copies.add, spec, first, other, y, node=node.name, parts=y.map.height
            )
        first = y

    leave_sum_back(low, node, y)


def leave_sum_back(low: LoweringContext, node: Node, y: Value) -> None:
    """Leave the backward pass of a sum; ``y`` is where it and its ReLU lie."""
    after = low.fused.get(node.name)
    name = low.end_of(node)

    def back() -> None:
        grad = low.grads[name]
        if after:
            m = low.plain_map(node.name)
            grad = lower_activation_grad(low, RELU, (y, grad), m, node.name)
        for source in node.inputs:
            if source not in low.learners:
                continue
            is_once = node.inputs.count(source) == 1
            is_alone = low.can_share_grad(source)  # nobody adds to it
            if is_once and (is_alone or (after and _is_added_late(low, node, source))):
                low.grads[source] = grad
                continue
            to, accumulate = low.grad_target(source)
            low.copy_whole(
                grad, to, (grad.map, to.map), node.name, accumulate=accumulate
            )

    low.on_back(name, back)


def _is_added_late(low: LoweringContext, node: Node, source: str) -> bool:
    """Whether a sum's gradient may be an operand's, to which others will add.

    They must do so when the other operands' batch norms have read it.
    """
    if source in low.grads or low.wants_grad_halo(source):
        return False
    others = [name for name in node.inputs if name != source]
    layers = (low.network.node(name).layer for name in others)
    if not all(isinstance(layer, BatchNorm) for layer in layers):
        return False
    order = {name: i for i, (name, _) in enumerate(low.tape)}
    readers = [n for n in low.network.consumers[source] if n is not node]
    adders = [order.get(low.end_of(n), len(order)) for n in readers]
    return max(adders, default=0) < min(order.get(name, -1) for name in others)


def lower_concat(low: LoweringContext, node: Node) -> None:
    """Add the steps of Concat."""
    y, is_there = _concatenated(low, node)
    starts, at = [], 0
    for source in node.inputs:
        starts.append(at)
        at += low.plain_map(source).channels
    for source, start in zip(node.inputs, starts, strict=True):
        if start < is_there:
            continue
        x = low.values[source]
        m = x.map
        spec = Copy(
            m,
            y.map,
            m.height,
            m.width,
            m.channels,
            m.at(0, 0),
            y.map.at(0, 0, start),
        )
        low.step(copies.copy, spec, x, y, node=node.name, parts=m.height)

    def back() -> None:
        grad = low.grads[node.name]
        for source, start in zip(node.inputs, starts, strict=True):
            if source not in low.learners:
                continue
            to, accumulate = low.grad_target(source)
            m = to.map
            spec = Copy(
                grad.map,
                m,
                m.height,
                m.width,
                m.channels,
                grad.map.at(0, 0, start),
                m.at(0, 0),
                accumulate,
            )
            low.step(copies.copy, spec, grad, to, node=node.name)

    low.on_back(node.name, back)


def _concatenated(low: LoweringContext, node: Node) -> tuple[Value, int]:
    """Return where a concatenation goes, and how many channels stand there already."""
    grown = low.grown.get(node.name)
    if grown is None:
        return low.output(node.name), 0
    m = whole = low.map_of(grown.end)
    if node.name != grown.end:
        m = replace(low.map_of(node.name), room=whole.padded_channels)
    before = low.values.get(grown.begun)
    if before is not None and before.map.room == whole.padded_channels:
        buffer, is_there = before.buffer, before.map.channels
    else:  # the first, or the first behind one of integers
        buffer, is_there = low.buffer(grown.end, whole.size, "image"), 0
    low.values[node.name] = Value(buffer, m)
    return low.values[node.name], is_there
