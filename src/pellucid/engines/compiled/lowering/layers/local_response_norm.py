"""Lower local response normalization to kernel calls."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.norm import local_response_norm as kernels
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef, Value
from pellucid.network.layers import LocalResponseNorm
from pellucid.network.node import Node


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of LocalResponseNorm."""
    layer = node.layer_as(LocalResponseNorm)
    x, y = low.source(node), low.output(node.name)
    reach = layer.reach(x.map.channels)
    sizes = (reach, layer.alpha / layer.size, layer.beta, layer.bias)
    line = kernels.line_size(x.map, reach)
    squares = low.buffer(f"{node.name} squares", line, "worker")
    low.step(
        kernels.local_response_norm_forward,
        kernels.Neighbours(x.map, y.map, *sizes),
        x,
        BufferRef(squares),
        y,
        node=node.name,
    )

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        shares = low.buffer(f"{node.name} shares", line, "worker")
        low.step(
            kernels.local_response_norm_backward,
            kernels.Neighbours(x.map, grad.map, *sizes, to.map, accumulate),
            x,
            grad,
            BufferRef(squares),
            BufferRef(shares),
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)
