"""Lower group, instance and L2 normalization to kernel calls."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.norm import group_norm as kernels
from pellucid.engines.compiled.kernels.norm import l2_normalize
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef, Value
from pellucid.network.layers import L2Normalize, PerImageNorm
from pellucid.network.node import Node


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of GroupNorm and InstanceNorm."""
    layer = node.layer_as(PerImageNorm)
    x, y = low.source(node), low.output(node.name)
    groups, size = layer.groups_of(x.map.channels), 2 * x.map.padded_channels
    epsilon: float = layer.epsilon  # type: ignore[attr-defined]
    statistics = BufferRef(low.buffer(f"{node.name} statistics", size, "image"))
    scale, offset = low.weight(node, "scale"), low.weight(node, "offset")
    spec = kernels.GroupNorm(x.map, y.map, groups, epsilon)
    source = BufferRef(x.buffer)
    low.step(kernels.group_norm_statistics, spec, source, statistics, node=node.name)
    low.step(
        kernels.group_norm_forward,
        spec,
        source,
        statistics,
        scale,
        offset,
        y,
        node=node.name,
    )

    def back() -> None:
        grad = low.grads[node.name]
        given = source, BufferRef(grad.buffer), statistics
        if low.trains(node):
            for role in ("scale", "offset"):
                low.clear_chunk_grad(node, role)
            low.step(
                kernels.group_norm_grad_weight,
                kernels.GroupNorm(x.map, grad.map, groups, epsilon),
                *given,
                low.chunk_grad(node, "scale"),
                low.chunk_grad(node, "offset"),
                node=node.name,
                grain="fine",
            )
        if node.inputs[0] in low.learners:
            to, accumulate = low.grad_target(node.inputs[0])
            sums = low.buffer(f"{node.name} sums", size, "worker")
            low.step(
                kernels.group_norm_grad_input,
                kernels.GroupNorm(x.map, grad.map, groups, epsilon, to.map, accumulate),
                *given,
                scale,
                BufferRef(sums),
                to,
                node=node.name,
            )

    low.on_back(node.name, back)


def lower_l2(low: LoweringContext, node: Node) -> None:
    """Add the steps of L2Normalize."""
    layer = node.layer_as(L2Normalize)
    x, y = low.source(node), low.output(node.name)
    low.step(
        l2_normalize.l2_normalize_forward,
        l2_normalize.L2(x.map, y.map, layer.epsilon),
        x,
        y,
        node=node.name,
    )

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        low.step(
            l2_normalize.l2_normalize_backward,
            l2_normalize.L2(x.map, grad.map, layer.epsilon, to.map, accumulate),
            x,
            grad,
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)
