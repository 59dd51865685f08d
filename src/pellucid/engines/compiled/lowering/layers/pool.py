"""Lower pools to kernel calls."""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.kernels.pool import pool as kernels
from pellucid.engines.compiled.kernels.pool.pool import MaxBack, Pool, Spread
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef
from pellucid.network.layers import AvgPool2D, GlobalMaxPool2D, MaxPool2D
from pellucid.network.node import Node


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of MaxPool2D, AvgPool2D and GlobalMaxPool2D."""
    layer = node.layer
    if isinstance(layer, GlobalMaxPool2D):
        layer = layer.window(low.network.input_shapes(node)[0])
    if not isinstance(layer, MaxPool2D | AvgPool2D):
        raise TypeError(type(layer))
    x, y = low.source(node), low.output(node.name)
    (top, _), (left, _) = layer.pads((x.map.height, x.map.width))
    kind = "max" if isinstance(layer, MaxPool2D) else "avg"
    spec = Pool(kind, x.map, y.map, layer.kernel, layer.strides, (top, left))  # type: ignore[arg-type]
    low.step(
        kernels.pool_forward,
        spec,
        BufferRef(x.buffer),
        BufferRef(y.buffer),
        node=node.name,
        parts=y.map.height,
    )

    def back() -> None:
        if node.inputs[0] not in low.learners:
            return
        grad = low.grads[node.name]
        to, accumulate = low.grad_target(node.inputs[0])
        if not accumulate:
            low.clear(to, node.name)
        if kind == "avg":
            low.step(
                kernels.avg_pool_backward,
                replace(spec, x=to.map, y=grad.map),
                BufferRef(grad.buffer),
                BufferRef(to.buffer),
                node=node.name,
            )
            return
        low.step(
            kernels.max_pool_backward,
            MaxBack(spec, grad.map, to.map),
            BufferRef(x.buffer),
            BufferRef(y.buffer),
            BufferRef(grad.buffer),
            BufferRef(to.buffer),
            node=node.name,
        )

    low.on_back(node.name, back)


def lower_global(low: LoweringContext, node: Node) -> None:
    """Add the steps of GlobalAvgPool2D."""
    x, y = low.source(node), low.output(node.name)
    low.step(
        kernels.global_avg_forward,
        x.map,
        BufferRef(x.buffer),
        BufferRef(y.buffer),
        node=node.name,
        parts=max(1, x.map.padded_channels // low.target.lanes),
    )

    def back() -> None:
        if node.inputs[0] not in low.learners:
            return
        grad = low.grads[node.name]
        to, accumulate = low.grad_target(node.inputs[0])
        low.step(
            kernels.global_avg_backward,
            Spread(to.map, accumulate),
            BufferRef(grad.buffer),
            BufferRef(to.buffer),
            node=node.name,
        )

    low.on_back(node.name, back)
