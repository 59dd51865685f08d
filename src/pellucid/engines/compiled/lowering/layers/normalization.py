"""Lower batch and layer normalization to kernel calls."""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.codegen import Kernel
from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.elementwise.activation import Function
from pellucid.engines.compiled.kernels.norm import batch_norm as kernels
from pellucid.engines.compiled.kernels.norm import layer_norm
from pellucid.engines.compiled.kernels.norm.batch_norm import Norm, NormBack, NormSum
from pellucid.engines.compiled.lowering.context import LoweringContext, NormBefore
from pellucid.engines.compiled.lowering.layers import geometry
from pellucid.engines.compiled.lowering.layers.activation import function_of
from pellucid.engines.compiled.program.program_ir import (
    Argument,
    Buffer,
    BufferRef,
    Number,
    Value,
)
from pellucid.network.layers import BatchNorm, LayerNorm
from pellucid.network.node import Node


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of BatchNorm."""
    layer = node.layer_as(BatchNorm)
    uses_batch = low.purpose.is_training and layer.trainable
    x = low.source(node)
    padded_channels = x.map.padded_channels
    after = low.fused.get(node.name)
    name = after.name if after else node.name
    partial = low.buffer(f"{node.name} moments", 3 * padded_channels, "chunk")
    kept = low.buffer(f"{node.name} statistics", 3 * padded_channels, "shared")
    spec = Norm(x.map, x.map, layer.epsilon, layer.momentum)
    mean, variance = (low.weight(node, f"running_{r}") for r in ("mean", "variance"))
    if uses_batch:
        low.phase("fine")
        size, place = 3 * padded_channels, BufferRef(partial)
        low.prologue(copies.zero, size, place, node=node.name)
        low.step(kernels.norm_statistics, x.map, x, place, node=node.name)
        low.barrier()
        arguments = (
            BufferRef(partial, is_first=True),
            Number("chunks"),
            partial.stride,
        )
        use = low.buffer(f"{node.name} statistics here", 3 * padded_channels, "worker")
        low.prologue(
            kernels.norm_join, spec, *arguments, BufferRef(use), node=node.name
        )
        low.prologue(
            kernels.norm_join,
            spec,
            *arguments,
            BufferRef(kept),
            node=node.name,
            is_first_only=True,
        )
        move: tuple[Kernel, tuple[Argument, ...]] = kernels.norm_update_running, ()
        if low.options.unbiased_variance:
            numbers = Number(low.numbers(x.map), is_float=True)
            move = kernels.norm_update_running_unbiased, (numbers,)
        low.prologue(
            move[0],
            spec,
            BufferRef(use),
            mean,
            variance,
            *move[1],
            node=node.name,
            is_first_only=True,
            when="update",
        )
    else:
        use = kept
        low.prepare(
            kernels.norm_from_running,
            spec,
            mean,
            variance,
            BufferRef(kept),
            node=node.name,
        )
    function = function_of(after.layer) if after else None
    if node.name in low.loaded:
        places = BufferRef(use), low.weight(node, "scale"), low.weight(node, "offset")
        low.before[low.loaded[node.name].name] = NormBefore(places, function)
        low.values[name] = x
        return
    norm = Norm(x.map, x.map, layer.epsilon, layer.momentum, function)
    y = _forward(low, node, norm, (x, use))

    written = low.phases[-1]

    def back() -> None:
        if low.phases[-1] is written:  # its first task alone writes `kept`
            low.barrier()
        how = uses_batch, function
        _pull(low, node, kept, low.grads[name], how)

    low.on_back(name, back)
    if node.name in low.added:
        geometry.leave_sum_back(low, low.added[node.name][0], y)


def _forward(
    low: LoweringContext, node: Node, norm: Norm, places: tuple[Value, Buffer]
) -> Value:
    """Add the step that normalizes, and makes the sum after it; return its output."""
    (x, use), added = places, low.added.get(node.name)
    refs = BufferRef(use), low.weight(node, "scale"), low.weight(node, "offset")
    if added is None:
        y = low.output(low.end_of(node))
        norm, parts = replace(norm, y=y.map), x.map.height
        low.step(kernels.norm_forward, norm, x, *refs, y, node=node.name, parts=parts)
        return y
    sum_, other = added[0], low.values[added[1]]
    y = low.output(low.end_of(sum_))
    after = low.fused.get(sum_.name)
    function = function_of(after.layer) if after else None
    spec = NormSum(replace(norm, y=y.map, function=function), other.map)
    why = f"with the sum {sum_.name}"
    low.step(
        kernels.norm_sum_forward, spec, x, *refs, other, y, node=node.name, why=why
    )
    return y


def _pull(
    low: LoweringContext,
    node: Node,
    kept: Buffer,
    grad: Value,
    how: tuple[bool, Function | None],
) -> None:
    """Add the steps back; ``how``: whether statistics are the batch's, what follows."""
    layer, (uses_batch, function) = node.layer_as(BatchNorm), how
    x = low.source(node)
    padded_channels = x.map.padded_channels
    scale, offset = low.weight(node, "scale"), low.weight(node, "offset")
    spec = Norm(x.map, grad.map, layer.epsilon, function=function)
    totals = low.buffer(f"{node.name} totals", 2 * padded_channels, "worker")
    if uses_batch or low.trains(node):
        sums = low.buffer(f"{node.name} sums", 2 * padded_channels, "chunk")
        low.phase("fine")
        low.prologue(copies.zero, 2 * padded_channels, BufferRef(sums), node=node.name)
        low.step(
            kernels.norm_backward_sums,
            spec,
            x,
            grad,
            BufferRef(kept),
            scale,
            offset,
            BufferRef(sums),
            node=node.name,
            grain="fine",
        )
        low.barrier()
        arguments = (BufferRef(sums, is_first=True), Number("chunks"), sums.stride)
        low.prologue(
            kernels.norm_join_sums,
            2 * padded_channels,
            *arguments,
            BufferRef(totals),
            node=node.name,
        )
    if low.trains(node):
        for role, start in (("offset", 0), ("scale", padded_channels)):
            low.prologue(
                kernels.norm_join_sums,
                padded_channels,
                BufferRef(sums, start, is_first=True),
                Number("chunks"),
                sums.stride,
                BufferRef(low.grad_vector, low.parameter(node, role).offset),
                node=node.name,
                is_first_only=True,
            )
    if node.inputs[0] not in low.learners:
        return
    to, accumulate = low.grad_target(node.inputs[0])
    low.step(
        kernels.norm_backward,
        NormBack(x.map, grad.map, to.map, uses_batch, accumulate, function),
        x,
        grad,
        BufferRef(kept),
        BufferRef(totals),
        scale,
        offset,
        Number(low.numbers(x.map), is_float=True),
        to,
        node=node.name,
    )


def lower_layer_norm(low: LoweringContext, node: Node) -> None:
    """Add the steps of LayerNorm."""
    layer = node.layer_as(LayerNorm)
    x, y = low.source(node), low.output(node.name)
    scale, offset = low.weight(node, "scale"), low.weight(node, "offset")
    low.step(
        layer_norm.layer_norm_forward,
        layer_norm.LayerNorm(x.map, y.map, layer.epsilon),
        x,
        scale,
        offset,
        y,
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
                x,
                grad,
                low.chunk_grad(node, "scale"),
                low.chunk_grad(node, "offset"),
                node=node.name,
                grain="fine",
            )
        if node.inputs[0] in low.learners:
            to, accumulate = low.grad_target(node.inputs[0])
            low.step(
                layer_norm.layer_norm_grad_input,
                layer_norm.LayerNorm(
                    x.map, grad.map, layer.epsilon, to.map, accumulate
                ),
                x,
                grad,
                scale,
                to,
                node=node.name,
            )

    low.on_back(node.name, back)
