"""Lower convolutions to products on AMX tiles."""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.kernels.amx import (
    conv_amx,
    conv_amx_grad,
    pointwise_amx,
)
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx
from pellucid.engines.compiled.kernels.amx.conv_amx_grad import ConvAmxGrad
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.layout import NO_HALO
from pellucid.engines.compiled.lowering.context import LoweringContext, Options
from pellucid.engines.compiled.program.program_ir import BufferRef, Number, Value
from pellucid.network.node import Node

Places = tuple[BufferRef, BufferRef, BufferRef, BufferRef]


def pays(low: LoweringContext, conv: Conv) -> bool:
    """Return whether a convolution is made on AMX without Winograd's algorithm."""
    return low.has_amx and _fits(ConvAmx(conv, low.amx_parts))


def rounds(options: Options, conv: Conv) -> bool:
    """Return whether a convolution's products are made of bfloat16."""
    return options.precision == "bfloat16" and _fits(ConvAmx(conv, cuts=1))


def _fits(spec: ConvAmx) -> bool:
    return pointwise_amx.pointwise_amx_fits(spec) or conv_amx.conv_amx_fits(spec)


def normalizes(low: LoweringContext, conv: Conv) -> bool:
    """Return whether a convolution can apply a batch norm to what it loads."""
    is_bare = conv.x.halo == NO_HALO and conv.top_left == (0, 0)
    fits = pointwise_amx.pointwise_amx_fits(ConvAmx(conv, low.amx_parts))
    return low.has_amx and is_bare and fits


def mirror(spec: Conv, *, accumulate: bool) -> Conv | None:
    """Return the convolution of grad_y that is the input's gradient, if one is."""
    sizes = zip(spec.kernel, spec.dilation, spec.top_left, strict=True)
    top, left = (d * (k - 1) - first for k, d, first in sizes)
    if spec.stride != (1, 1) or min(top, left) < 0:
        return None
    turned = replace(spec, x=spec.y, y=spec.x, top_left=(top, left), function=None)
    return replace(turned, has_bias=False, accumulate=accumulate)


def forward(
    low: LoweringContext,
    node: Node,
    conv: Conv,
    places: Places,
    what: str,
    *,
    role: str = "forward",
) -> None:
    """Add the steps; ``places`` are x, weights, bias and y."""
    spec = ConvAmx(conv, low.amx_parts, is_mirrored=role == "back")
    if not pointwise_amx.pointwise_amx_fits(spec):
        one_image(low, node, conv, places, what, role=role)
        return
    x, w, bias, y = places
    size = pointwise_amx.pointwise_scratch_size(spec)
    kernel, before = pointwise_amx.pointwise_amx, low.before.get(node.name)
    form: ConvAmx | pointwise_amx.Normalized = spec
    if before:
        kernel = pointwise_amx.pointwise_amx_normalized
        form = pointwise_amx.Normalized(spec, before.function)
        what = f"{what}, batch norm before"
    low.step(
        kernel,
        form,
        x,
        *(before.places if before else ()),
        cut_weights(low, node, spec, w, role),
        w,
        bias,
        y,
        BufferRef(low.workspace(size)),
        node=node.name,
        grain="fine",
        why=f"pixels are rows, {low.on_amx}{what}",
        multiply_adds=conv.multiply_adds,
        parts=pointwise_amx.blocks(conv),
    )


def one_image(
    low: LoweringContext,
    node: Node,
    conv: Conv,
    places: Places,
    what: str,
    *,
    when: str = "",
    role: str = "forward",
) -> None:
    """Add the two steps of each image: it is cut into parts, then multiplied."""
    x, w, bias, y = places
    spec = ConvAmx(conv, low.amx_parts, is_mirrored=role == "back")
    parts = BufferRef(low.workspace(spec.left_size, is_local=True))
    sums = BufferRef(low.workspace(spec.sums_size))
    right = cut_weights(low, node, spec, w, role)
    for kernel, refs, many in (
        (conv_amx.conv_amx_cut, (x, parts), spec.rows),
        (conv_amx.conv_amx, (parts, right, x, w, bias, y, sums), spec.parts),
    ):
        low.step(
            kernel,
            spec,
            *refs,
            node=node.name,
            grain="fine",
            why=f"taps are runs of pixels, {low.on_amx}{what}",
            when=when,
            multiply_adds=conv.multiply_adds * (kernel is conv_amx.conv_amx),
            parts=many,
        )


def weight_grad(
    low: LoweringContext, node: Node, conv: Conv, pair: tuple[Value, Value]
) -> None:
    """Add the steps of the weights' gradient, from x and grad_y."""
    x, grad = pair
    whole = ConvAmx(conv, low.amx_parts)
    spec = ConvAmxGrad(whole, x.buffer.stride, grad.buffer.stride)
    sums = BufferRef(low.buffer(f"{node.name} sums", spec.sums_size, "worker"))
    low.joins_images = True
    low.prologue(copies.zero, spec.sums_size, sums, node=node.name)
    low.step(
        conv_amx_grad.conv_amx_grad_weight,
        spec,
        BufferRef(x.buffer),
        BufferRef(grad.buffer),
        sums,
        BufferRef(low.workspace(spec.scratch_size)),
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why=f"{spec.images} images joined, {low.on_amx}",
        multiply_adds=conv.multiply_adds,
    )
    low.step(
        conv_amx_grad.conv_amx_grad_back,
        spec,
        sums,
        low.chunk_grad(node, "weight"),
        node=node.name,
        per="chunk",
        grain="fine",
    )


def cut_weights(
    low: LoweringContext, node: Node, spec: ConvAmx, weight: BufferRef, role: str
) -> BufferRef:
    """Return where the weights' parts are; they are cut after every change."""
    name = f"{node.name} parts {role}"
    parts = BufferRef(low.buffer(name, spec.right_size, "shared"))
    low.prepare(conv_amx.conv_amx_weight, spec, weight, parts, node=node.name)
    return parts
