"""Lower 1×1 convolutions to products over a chunk's pixels on AMX tiles."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.amx import pixels_amx as kernels
from pellucid.engines.compiled.kernels.amx import pixels_amx_grad
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx
from pellucid.engines.compiled.kernels.amx.pixels_amx import Pixels
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import lower_amx, lower_packed
from pellucid.engines.compiled.program.program_ir import (
    Buffer,
    BufferRef,
    Number,
    Value,
)
from pellucid.network.node import Node

#: bytes of the weights' parts up to which one image after the other is as fast
FEW = 512 << 10


def pays(low: LoweringContext, spec: Conv) -> bool:
    """Return whether a convolution takes the pixels of a chunk's images together."""
    if not low.has_amx or low.rounds or not kernels.pixels_fit(spec):
        return False
    if not low.shares_images:
        return True
    # one image is made by other kernels: large weights' parts by panels, or packed
    is_large = 4 * ConvAmx(spec).right_size > FEW
    return (
        is_large if lower_amx.pays(low, spec) else lower_packed.pays(spec, low.target)
    )


def forward(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    places: tuple[Value, BufferRef, BufferRef, Value],
    what: str,
    *,
    role: str = "forward",
) -> None:
    """Add the step of a chunk's images, and that of one image where it is shared."""
    x, w, bias, y = places
    refs = BufferRef(x.buffer), w, bias, BufferRef(y.buffer)
    if low.shares_images:
        one = lower_amx if lower_amx.pays(low, spec) else lower_packed
        one.one_image(low, node, spec, refs, what, when="is_one", role=role)
    many = Pixels(spec, x.buffer.stride, y.buffer.stride)
    low.joins_images = True
    low.step(
        kernels.pixels_amx,
        many,
        refs[0],
        lower_amx.cut_weights(low, node, ConvAmx(spec), w, role),
        *refs[1:],
        BufferRef(low.workspace(kernels.pixels_scratch_size(many))),
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why=f"pixels of all images are rows, on AMX{what}",
        when="is_many" if low.shares_images else "",
        multiply_adds=spec.multiply_adds,
    )


def weight_grad(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Buffer, Buffer]
) -> None:
    """Add the step of the weights' gradient, from x and grad_y."""
    x, grad = pair
    many = Pixels(spec, x.stride, grad.stride)
    low.joins_images = True
    low.step(
        pixels_amx_grad.pixels_amx_grad,
        many,
        BufferRef(x),
        BufferRef(grad),
        low.chunk_grad(node, "weight"),
        BufferRef(low.workspace(pixels_amx_grad.pixels_grad_scratch_size(many))),
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why="a product over pixels, on AMX",
        multiply_adds=spec.multiply_adds,
    )
