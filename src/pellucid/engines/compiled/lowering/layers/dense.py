"""Lower fully connected layers to kernel calls."""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.kernels.amx import dense_amx as amx
from pellucid.engines.compiled.kernels.amx.amx import EDGE
from pellucid.engines.compiled.kernels.dense import dense as kernels
from pellucid.engines.compiled.kernels.dense import gemv
from pellucid.engines.compiled.kernels.dense.dense import Rows
from pellucid.engines.compiled.kernels.elementwise.activation import Function
from pellucid.engines.compiled.kernels.elementwise.optimizer import join_chunks
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import conv, lower_large_dense
from pellucid.engines.compiled.lowering.layers.activation import (
    function_of,
    lower_activation_grad,
)
from pellucid.engines.compiled.lowering.parameters import ALIGN, Layout
from pellucid.engines.compiled.program.program_ir import (
    Buffer,
    BufferRef,
    Grain,
    KernelCall,
    Number,
    Value,
)
from pellucid.network.node import Node

#: floats of weights from which the images of a chunk are taken together by 16
LARGE = 16 * 1024
#: rows of the weights' derivative in one task
TASK_FLOATS = 8 * 1024


def weight_layout(
    inputs: ImageLayout, outputs: ImageLayout, shape: tuple[int, ...]
) -> Layout:
    """Return the layout [input][output] of a weight."""
    return Layout((inputs.padded_channels, outputs.padded_channels), shape, (0, 1))


def is_on_image(shape: tuple[int, ...]) -> bool:
    """Whether a Dense layer of that output treats each pixel on its own."""
    return len(shape) > 1


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of Dense."""
    x = low.source(node)
    if is_on_image(low.network.shapes[node.name]):
        conv.lower(low, node)
        return
    after = low.fused.get(node.name)
    function = function_of(after.layer) if after else None
    name = low.end_of(node)
    y = low.output(name)
    spec = kernels.Dense(
        x.map.padded_channels,
        y.map.padded_channels,
        x.buffer.stride,
        y.buffer.stride,
        low.has_bias(node),
        function,
    )
    w = low.weight(node, "weight")
    bias = low.weight(node, "bias") if spec.has_bias else w
    grain: Grain | None = "coarse" if spec.inputs * spec.outputs >= LARGE else None
    on_amx = low.purpose.goes_back and low.has_amx and amx.dense_amx_fits(spec)
    if lower_large_dense.pays(low, spec):
        lower_large_dense.forward(low, node, spec, (x, w, bias, y))
        _on_back(low, node, spec, (x, y), (after, function, grain))
        return
    has_own_way = low.purpose.kind == "predict" and grain == "coarse"
    if has_own_way:
        _add_one_image(
            low, node, spec, (BufferRef(x.buffer), w, bias, BufferRef(y.buffer))
        )
    places = [BufferRef(x.buffer), w, bias, BufferRef(y.buffer)]
    tiled = amx.DenseAmx(spec, low.amx_parts)
    where = f", {low.on_amx}" if on_amx else ""
    if on_amx:
        size = amx.forward_scratch_size(tiled)
        places.append(BufferRef(low.buffer(f"{node.name} parts", size, "worker")))
    low.step(
        amx.dense_amx_forward if on_amx else kernels.dense_forward,
        tiled if on_amx else spec,
        *places,
        Number("images"),
        node=node.name,
        per="chunk",
        grain=grain,
        why=f"weights stream once for a chunk's images{where}",
        when="is_many" if has_own_way else "",
        multiply_adds=x.map.channels * y.map.channels,
    )

    _on_back(low, node, spec, (x, y), (after, function, grain))


def _on_back(
    low: LoweringContext,
    node: Node,
    spec: kernels.Dense,
    pair: tuple[Value, Value],
    how: tuple[Node | None, Function | None, Grain | None],
) -> None:
    """Leave the backward pass; ``how``: what is fused, its function, the grain."""
    (x, y), (after, function, grain), name = pair, how, low.end_of(node)

    def back() -> None:
        grad = low.grads[name]
        if after and function:
            m = low.plain_map(node.name)
            grad = lower_activation_grad(low, function, (y, grad), m, node.name)
        strides = replace(spec, y_stride=grad.buffer.stride, function=None)
        _pull(low, node, strides, (x, grad), grain)

    low.on_back(name, back)


def _add_one_image(
    low: LoweringContext,
    node: Node,
    spec: kernels.Dense,
    places: tuple[BufferRef, BufferRef, BufferRef, BufferRef],
) -> None:
    """Add the step for a single image, whose zeros cost nothing."""
    flag = low.buffer(f"{node.name} is finite", 1, "shared", "i64")
    scratch = low.buffer(f"{node.name} inputs", gemv.gemv_scratch_size(spec), "worker")
    x, w, bias, y = places
    size = spec.inputs * spec.outputs
    low.prepare(gemv.all_finite, size, w, BufferRef(flag), node=node.name)
    low.step(
        gemv.gemv_forward,
        spec,
        x,
        w,
        bias,
        y,
        BufferRef(flag),
        BufferRef(scratch),
        node=node.name,
        grain="coarse",
        why="one image: zeros of the input are skipped",
        when="is_one",
        parts=gemv.gemv_blocks(spec, low.target.lanes),
    )


def _pull(
    low: LoweringContext,
    node: Node,
    spec: kernels.Dense,
    pair: tuple[Value, Value],
    grain: Grain | None,
) -> None:
    x, grad = pair
    work = x.map.channels * grad.map.channels
    if low.trains(node):
        grad.buffer.is_pinned = True
        _close(low, node, spec, (x, grad))
    if node.inputs[0] in low.learners:
        to, accumulate = low.grad_target(node.inputs[0])
        spec = replace(spec, x_stride=to.buffer.stride, accumulate=accumulate)
        if lower_large_dense.pays(low, spec):
            w = low.weight(node, "weight")
            lower_large_dense.input_grad(low, node, spec, (grad, w, to))
            return
        on_amx = low.has_amx and amx.input_grad_fits(spec)
        tiled = amx.DenseAmx(spec, low.amx_parts)
        size = kernels.grad_input_scratch_size(spec, low.target.lanes)
        if on_amx:
            size = amx.input_scratch_size(tiled)
        scratch = low.buffer(f"{node.name} parts back", size, "worker")
        places = [
            BufferRef(grad.buffer),
            low.weight(node, "weight"),
            BufferRef(to.buffer),
        ]
        places.append(BufferRef(scratch))
        low.step(
            amx.dense_amx_grad_input if on_amx else kernels.dense_grad_input,
            tiled if on_amx else spec,
            *places,
            Number("images"),
            node=node.name,
            per="chunk",
            grain=grain,
            why=f"columns are images, {low.on_amx}" if on_amx else "lanes are images",
            multiply_adds=work,
        )


def rows_of_task(inputs: int, outputs: int, tile: int = 14) -> int:
    """Return how many rows one task makes: whole tiles, and whole vectors."""
    unit = tile * max(1, ALIGN // outputs)
    rows = TASK_FLOATS // outputs // unit * unit
    return min(inputs, rows or unit)


def _cut(
    low: LoweringContext, node: Node, spec: kernels.Dense, grad: Value, rows: int
) -> Buffer:
    """Add the step that cuts the output's derivatives into parts; return those.

    Chunks of coarse phases begin at even images, as the kernel wants it.
    """
    size = amx.cut_size(amx.DenseAmx(spec, low.amx_parts))
    cut = low.buffer(f"{node.name} cut", size, "image", "i32")
    cut.is_pinned, cut.groups = True, amx.IMAGES
    low.step(
        amx.dense_amx_cut,
        amx.AmxRows(spec, rows, cut.stride, cuts=low.amx_parts),
        grad,
        BufferRef(cut, is_first=True),
        Number("index"),
        Number("images"),
        Number("count"),
        node=node.name,
        per="chunk",
        grain="coarse",
    )
    return cut


def _close(
    low: LoweringContext, node: Node, spec: kernels.Dense, pair: tuple[Value, Value]
) -> None:
    """Add the tasks that make a block of rows each, over all images at once."""
    x, grad = pair
    weight = low.parameter(node, "weight")
    on_amx = low.has_amx and amx.dense_amx_fits(spec)
    rows = rows_of_task(spec.inputs, spec.outputs, EDGE if on_amx else 14)
    cut = _cut(low, node, spec, grad, rows) if on_amx else None
    blocks, rest = divmod(spec.inputs, rows)
    is_whole = all(n * spec.outputs % ALIGN == 0 for n in (rows, rest))
    kept = None
    if low.updates_at_once and is_whole:
        # the derivative is used up while it is in the cache; nobody else wants it
        kept = BufferRef(low.buffer(f"{node.name} rows", rows * spec.outputs, "worker"))
    optimizer = low.purpose.optimizer
    asked = 1 + len(optimizer.slots) if optimizer and low.updates_at_once else 0
    for first, size, many in ((0, rows, blocks), (blocks * rows, rest, 1)):
        if not size or not many:
            continue
        at, count = weight.offset + first * spec.outputs, size * spec.outputs
        whole = BufferRef(low.grad_vector, at, count)
        places = [BufferRef(x.buffer, first, size, is_first=True)]
        places += [BufferRef(grad.buffer, is_first=True), kept or whole]
        block: Rows | amx.AmxRows = Rows(spec, size)
        if cut:
            block = amx.AmxRows(spec, size, cut.stride, asked, low.amx_parts)
            room = amx.weight_scratch_size(block)
            scratch = low.buffer(f"{node.name} tiles", room, "worker")
            places += [BufferRef(cut, is_first=True), BufferRef(scratch)]
            names = ("weights", "slot0", "slot1")
            places += [BufferRef(low.session(name), at, count) for name in names]
        step = KernelCall(
            amx.dense_amx_grad_weight if cut else kernels.dense_grad_weight,
            block,
            (*places, Number("count")),
            "task",
            node.name,
            "a block of rows over all images" + (f", {low.on_amx}" if cut else ""),
        )
        step.multiply_adds = x.map.channels * grad.map.channels * size // spec.inputs
        steps = [step]
        if kept:
            copied = (kept, 1, 0, whole, count)
            steps.append(
                KernelCall(
                    join_chunks, None, copied, "task", node.name, when="keeps_grads"
                )
            )
        low.close(steps, at, count, many, decays=True, grads=kept)
    if spec.has_bias:
        bias = low.parameter(node, "bias")
        step = KernelCall(
            kernels.dense_grad_bias,
            spec,
            (
                BufferRef(grad.buffer, is_first=True),
                BufferRef(low.grad_vector, bias.offset),
                Number("count"),
            ),
            "task",
            node.name,
        )
        low.close([step], bias.offset, bias.layout.size, 1, decays=False)
