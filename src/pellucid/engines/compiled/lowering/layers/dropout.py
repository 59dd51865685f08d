"""Lower dropout to kernel calls."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.elementwise import dropout as kernels
from pellucid.engines.compiled.kernels.elementwise.copies import Product
from pellucid.engines.compiled.kernels.layout import NO_HALO
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef, Number, Value
from pellucid.engines.dropout import node_key
from pellucid.network.layers import Dropout
from pellucid.network.node import Node

#: floats that the kernel may write beyond a mask
SPARE = 64


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of Dropout: nothing where it does nothing."""
    layer = node.layer_as(Dropout)
    x = low.source(node)
    if layer.rate == 0 or not low.purpose.is_training:
        _pass_through(low, node, x)
        return
    mask = _mask(low, node, layer)
    y = low.output(node.name)
    low.step(
        copies.multiply, Product(x.map, mask.map, y.map), x, mask, y, node=node.name
    )

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        low.step(
            copies.multiply,
            Product(grad.map, mask.map, to.map, accumulate),
            grad,
            mask,
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)


def _mask(low: LoweringContext, node: Node, layer: Dropout) -> Value:
    """Make the mask, unless the caller gives it."""
    m = low.plain_map(node.name).with_halo(NO_HALO)
    exact = low.exact_map(node.name)
    buffer = low.buffer(f"{node.name} mask", m.size + SPARE, "image", is_pinned=True)
    low.masks[node.name] = Value(buffer, m)
    drawn = buffer
    if not m.is_plain:
        drawn = low.buffer(f"{node.name} drawn", exact.size + SPARE, "image")
    spec = kernels.Mask(exact.size, layer.rate, node_key(0, node.name)[1])
    low.step(
        kernels.dropout_mask,
        spec,
        BufferRef(drawn),
        Number("global index"),
        Number("seed"),
        Number("step"),
        node=node.name,
        when="draws_masks",
    )
    if drawn is not buffer:
        low.step(
            copies.copy,
            copies.Copy(exact, m, m.height, m.width, m.channels, 0, 0),
            BufferRef(drawn),
            BufferRef(buffer),
            node=node.name,
            when="draws_masks",
        )
    return Value(buffer, m)


def _pass_through(low: LoweringContext, node: Node, x: Value) -> None:
    if low.purpose.kind != "activations" and x.map == low.map_of(node.name):
        low.values[node.name] = x
    else:
        y = low.output(node.name)
        low.copy_whole(x, y, (x.map, y.map), node.name)

    def back() -> None:
        source = node.inputs[0]
        if source not in low.learners:
            return
        grad = low.grads[node.name]
        to, accumulate = low.grad_target(source)
        low.copy_whole(grad, to, (grad.map, to.map), node.name, accumulate=accumulate)

    low.on_back(node.name, back)
