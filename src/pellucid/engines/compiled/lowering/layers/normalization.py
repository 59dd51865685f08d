"""This file is how batch and layer normalisation become steps."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.norm import batch_norm as kernels
from pellucid.engines.compiled.kernels.norm import layer_norm
from pellucid.engines.compiled.kernels.norm.batch_norm import Norm, NormBack
from pellucid.engines.compiled.lowering.context import Lowering
from pellucid.engines.compiled.program.program_ir import At, Buffer, Number, Value
from pellucid.network.layers import BatchNorm, LayerNorm
from pellucid.network.node import Node


def lower(low: Lowering, node: Node) -> None:
    """Add the steps of BatchNorm."""
    layer = node.layer
    if not isinstance(layer, BatchNorm):
        raise TypeError(type(layer))
    uses_batch = low.purpose.is_training and layer.trainable
    x = low.source(node)
    stored = x.map.stored
    after = low.fused.get(node.name)
    name = after.name if after else node.name
    partial = low.buffer(f"{node.name} moments", 3 * stored, "chunk")
    kept = low.buffer(f"{node.name} statistics", 3 * stored, "shared")
    spec = Norm(x.map, x.map, layer.epsilon, layer.momentum)
    mean, variance = (low.weight(node, f"running_{r}") for r in ("mean", "variance"))
    if uses_batch:
        low.step(
            kernels.norm_statistics,
            x.map,
            At(x.buffer),
            Number("images"),
            x.buffer.stride,
            At(partial),
            node=node.name,
            per="chunk",
            grain="fine",
        )
        low.barrier()
        arguments = (At(partial, is_first=True), Number("chunks"), partial.stride)
        use = low.buffer(f"{node.name} statistics here", 3 * stored, "worker")
        low.prologue(kernels.norm_join, spec, *arguments, At(use), node=node.name)
        low.prologue(
            kernels.norm_join,
            spec,
            *arguments,
            At(kept),
            node=node.name,
            is_first_only=True,
        )
        low.prologue(
            kernels.norm_update_running,
            spec,
            At(use),
            mean,
            variance,
            node=node.name,
            is_first_only=True,
            when="update",
        )
    else:
        use = kept
        low.prepare(
            kernels.norm_from_running, spec, mean, variance, At(kept), node=node.name
        )
    y = low.output(name)
    forward = Norm(
        x.map, y.map, layer.epsilon, layer.momentum, has_relu=after is not None
    )
    scale, offset = low.weight(node, "scale"), low.weight(node, "offset")
    low.step(
        kernels.norm_forward,
        forward,
        At(x.buffer),
        At(use),
        scale,
        offset,
        At(y.buffer),
        node=node.name,
    )

    written = low.phases[-1]

    def back() -> None:
        if low.phases[-1] is written:  # its first task alone writes `kept`
            low.barrier()
        pair = low.grads[name], y if after else None
        _pull(low, node, kept, pair, uses_batch=uses_batch)

    low.on_back(name, back)


def _pull(
    low: Lowering,
    node: Node,
    kept: Buffer,
    pair: tuple[Value, Value | None],
    *,
    uses_batch: bool,
) -> None:
    """Add the steps back; ``pair`` is grad_y and, behind a ReLU, its output."""
    layer = node.layer
    if not isinstance(layer, BatchNorm):
        raise TypeError(type(layer))
    x, (grad, seen) = low.source(node), pair
    stored = x.map.stored
    seen_map = seen.map if seen else None
    looked_at = At((seen or grad).buffer)
    spec = Norm(x.map, grad.map, layer.epsilon, seen=seen_map)
    totals = low.buffer(f"{node.name} totals", 2 * stored, "worker")
    if uses_batch or low.trains(node):
        sums = low.buffer(f"{node.name} sums", 2 * stored, "chunk")
        low.phase("fine")
        low.prologue(copies.zero, 2 * stored, At(sums), node=node.name)
        low.step(
            kernels.norm_backward_sums,
            spec,
            At(x.buffer),
            At(grad.buffer),
            looked_at,
            At(kept),
            At(sums),
            node=node.name,
            grain="fine",
        )
        low.barrier()
        arguments = (At(sums, is_first=True), Number("chunks"), sums.stride)
        low.prologue(
            kernels.norm_join_sums, 2 * stored, *arguments, At(totals), node=node.name
        )
    if low.trains(node):
        for role, start in (("offset", 0), ("scale", stored)):
            low.prologue(
                kernels.norm_join_sums,
                stored,
                At(sums, start, is_first=True),
                Number("chunks"),
                sums.stride,
                At(low.grad_vector, low.parameter(node, role).offset),
                node=node.name,
                is_first_only=True,
            )
    if node.inputs[0] not in low.learners:
        return
    to, is_added = low.grad_target(node.inputs[0])
    low.step(
        kernels.norm_backward,
        NormBack(x.map, grad.map, to.map, uses_batch, is_added, seen_map),
        At(x.buffer),
        At(grad.buffer),
        looked_at,
        At(kept),
        At(totals),
        low.weight(node, "scale"),
        Number(low.numbers(x.map), is_float=True),
        At(to.buffer),
        node=node.name,
    )


def lower_layer_norm(low: Lowering, node: Node) -> None:
    """Add the steps of LayerNorm."""
    layer = node.layer
    if not isinstance(layer, LayerNorm):
        raise TypeError(type(layer))
    x, y = low.source(node), low.output(node.name)
    scale, offset = low.weight(node, "scale"), low.weight(node, "offset")
    low.step(
        layer_norm.layer_norm_forward,
        layer_norm.LayerNorm(x.map, y.map, layer.epsilon),
        At(x.buffer),
        scale,
        offset,
        At(y.buffer),
        node=node.name,
    )

    def back() -> None:
        grad = low.grads[node.name]
        spec = layer_norm.LayerNorm(x.map, grad.map, layer.epsilon)
        if low.trains(node):
            for role in ("scale", "offset"):
                low.clear_chunk_grad(node, role)
            low.step(
                layer_norm.layer_norm_grad_weight,
                spec,
                At(x.buffer),
                At(grad.buffer),
                low.chunk_grad(node, "scale"),
                low.chunk_grad(node, "offset"),
                node=node.name,
                grain="fine",
            )
        if node.inputs[0] in low.learners:
            to, is_added = low.grad_target(node.inputs[0])
            low.step(
                layer_norm.layer_norm_grad_input,
                layer_norm.LayerNorm(x.map, grad.map, layer.epsilon, to.map, is_added),
                At(x.buffer),
                At(grad.buffer),
                scale,
                At(to.buffer),
                node=node.name,
            )

    low.on_back(node.name, back)
