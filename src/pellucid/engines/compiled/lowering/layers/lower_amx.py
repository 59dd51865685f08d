"""Lower convolutions to products on AMX tiles."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.amx import conv_amx, pointwise_amx
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef
from pellucid.network.node import Node

Places = tuple[BufferRef, BufferRef, BufferRef, BufferRef]


def pays(low: LoweringContext, spec: Conv) -> bool:
    """Return whether a convolution is made on AMX without Winograd's algorithm."""
    if not low.has_amx:
        return False
    return pointwise_amx.pointwise_amx_fits(spec) or conv_amx.conv_amx_fits(spec)


def forward(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    places: Places,
    what: str,
    *,
    role: str = "forward",
) -> None:
    """Add the steps; ``places`` are x, weights, bias and y."""
    if not pointwise_amx.pointwise_amx_fits(spec):
        one_image(low, node, spec, places, what, role=role)
        return
    x, w, bias, y = places
    size = pointwise_amx.pointwise_scratch_size(spec)
    low.step(
        pointwise_amx.pointwise_amx,
        spec,
        x,
        _right(low, node, spec, w, role),
        w,
        bias,
        y,
        BufferRef(low.workspace(size)),
        node=node.name,
        grain="fine",
        why=f"pixels are rows, on AMX{what}",
        multiply_adds=spec.multiply_adds,
        parts=pointwise_amx.blocks(spec),
    )


def one_image(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    places: Places,
    what: str,
    *,
    when: str = "",
    role: str = "forward",
) -> None:
    """Add the two steps of each image: it is cut into parts, then multiplied."""
    x, w, bias, y = places
    whole = ConvAmx(spec)
    parts = BufferRef(low.workspace(whole.left_size, is_local=True))
    sums = BufferRef(low.workspace(conv_amx.PIXELS * conv_amx.OUTPUTS))
    right = _right(low, node, spec, w, role)
    for kernel, refs, many in (
        (conv_amx.conv_amx_cut, (x, parts), whole.rows),
        (conv_amx.conv_amx, (parts, right, x, w, bias, y, sums), whole.parts),
    ):
        low.step(
            kernel,
            whole,
            *refs,
            node=node.name,
            grain="fine",
            why=f"taps are runs of pixels, on AMX{what}",
            when=when,
            multiply_adds=spec.multiply_adds * (kernel is conv_amx.conv_amx),
            parts=many,
        )


def _right(
    low: LoweringContext, node: Node, spec: Conv, weight: BufferRef, role: str
) -> BufferRef:
    """Return where the weights' parts are; they are cut after every change."""
    name = f"{node.name} parts {role}"
    parts = low.buffer(name, pointwise_amx.right_size(spec), "shared")
    low.prepare(
        pointwise_amx.pointwise_amx_weight,
        spec,
        weight,
        BufferRef(parts),
        node=node.name,
    )
    return BufferRef(parts)
