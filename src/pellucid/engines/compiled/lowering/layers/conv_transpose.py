"""Lower transposed convolutions to kernel calls."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from pellucid.engines.compiled.kernels.conv.conv import Conv, add_bias, conv_forward
from pellucid.engines.compiled.kernels.conv.conv_input_grad import (
    conv_grad_input,
    conv_turn_weight,
    conv_unturn_weight,
)
from pellucid.engines.compiled.kernels.conv.conv_weight_grad import (
    conv_grad_bias,
    conv_grad_weight,
)
from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers.conv import (
    describe,
    input_halo,
    multiply_adds,
)
from pellucid.engines.compiled.lowering.parameters import Layout
from pellucid.engines.compiled.program.program_ir import BufferRef, Value
from pellucid.network.layers import ConvTranspose2D
from pellucid.network.node import Node

# The transposed convolution runs the convolution from its output to its input
# backwards: its forward pass is that one's derivative by the input, and so on.


def weight_layout(spec: Conv, shape: tuple[int, ...]) -> Layout:
    """Return the layout [kernel_h][kernel_w][input of all groups][output of one]."""
    kh, kw, inputs, outputs = shape
    split = (kh, kw, inputs, spec.groups, outputs // spec.groups)
    packed = (kh, kw, spec.groups, inputs, spec.rows)
    return Layout(packed, split, (0, 1, 3, 2, 4))


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of ConvTranspose2D."""
    layer = node.layer_as(ConvTranspose2D)
    x, y = low.source(node), low.output(node.name)
    spec = describe(layer, x.map, y.map)
    w = low.weight(node, "weight")
    low.step(
        conv_grad_input,
        spec,
        x,
        w,
        y,
        node=node.name,
        grain="fine",
        why="register tiles, as a convolution's derivative",
        multiply_adds=multiply_adds(spec),
    )
    if layer.bias:
        bias = low.weight(node, "bias")
        low.step(add_bias, y.map, bias, y, node=node.name)
    low.want_grad_halo(node.name, input_halo(spec))

    def back() -> None:
        grad = low.grads[node.name]
        _pull(low, node, replace(spec, x=grad.map), (x, grad))

    low.on_back(node.name, back)


def _pull(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Value, Value]
) -> None:
    x, grad = pair
    size = prod(spec.weight_shape)
    if low.trains(node):
        own = low.buffer(f"{node.name} grad", size, "chunk")
        low.clear_chunk_grad(node, "weight")
        low.prologue(copies.zero, size, BufferRef(own), node=node.name)
        low.step(
            conv_grad_weight,
            spec,
            grad,
            x,
            BufferRef(own),
            node=node.name,
            grain="fine",
            multiply_adds=multiply_adds(spec),
        )
        low.step(
            conv_turn_weight,
            spec,
            BufferRef(own),
            low.chunk_grad(node, "weight"),
            node=node.name,
            per="chunk",
        )
        if node.layer.bias:  # type: ignore[attr-defined]
            low.clear_chunk_grad(node, "bias")
            low.step(
                conv_grad_bias,
                spec.x,
                grad,
                low.chunk_grad(node, "bias"),
                node=node.name,
            )
    if node.inputs[0] in low.learners:
        turned = low.buffer(f"{node.name} turned", size, "shared")
        w = low.weight(node, "weight")
        low.prepare(conv_unturn_weight, spec, w, BufferRef(turned), node=node.name)
        to, accumulate = low.grad_target(node.inputs[0])
        target = to
        if accumulate:
            target = low.scratch(f"{node.name} part", to.map)
        low.step(
            conv_forward,
            replace(spec, y=target.map, has_bias=False),
            grad,
            BufferRef(turned),
            BufferRef(turned),
            target,
            node=node.name,
            grain="fine",
            multiply_adds=multiply_adds(spec),
        )
        if accumulate:
            low.copy_whole(target, to, (target.map, to.map), node.name, accumulate=True)
