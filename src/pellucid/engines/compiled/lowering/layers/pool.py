"""Lower pools to kernel calls."""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.kernels.pool import pool as kernels
from pellucid.engines.compiled.kernels.pool.pool import MaxBack, Pool, Spread
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import Value
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
    low.step(kernels.pool_forward, spec, x, y, node=node.name, parts=y.map.height)

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        begins = not accumulate and kind == "max" and spec.is_apart
        if not accumulate and not begins:
            low.clear(to, node.name)
        if kind == "avg":
            low.step(
                kernels.avg_pool_backward,
                replace(spec, x=to.map, y=grad.map),
                grad,
                to,
                node=node.name,
            )
            return
        low.step(
            kernels.max_pool_backward,
            MaxBack(spec, grad.map, to.map, begins),
            x,
            y,
            grad,
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)


def lower_global(low: LoweringContext, node: Node) -> None:
    """Add the steps of GlobalAvgPool2D."""
    x, y = low.source(node), low.output(node.name)
    low.step(
        kernels.global_avg_forward,
        x.map,
        x,
        y,
        node=node.name,
        parts=max(1, x.map.padded_channels // low.target.lanes),
    )

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        low.step(
            kernels.global_avg_backward,
            Spread(to.map, accumulate),
            grad,
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)
