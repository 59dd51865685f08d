"""Lower convolutions to kernels with packed weights."""

from __future__ import annotations

from math import prod

from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.conv import conv_packed as kernels
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_packed import Packed
from pellucid.engines.compiled.kernels.winograd.winograd_joined import IMAGES
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef, Number, Value
from pellucid.network.node import Node

#: weights from which packing pays, and for large maps; fewer stay in the first cache
LEAST_WEIGHTS, LEAST_OF_LARGE, LARGE = 8192, 1024, 1024
#: activations that are written out behind every tile
INLINE = ("relu", "leaky_relu", "relu6", "clip", "hard_sigmoid", "hard_swish")
#: pixels that go together in tiles, about, and that one image has at most
JOINED_PIXELS, MOST_PIXELS = 64, 25


def pays(spec: Conv, target: Target) -> bool:
    """Return whether a convolution is to be made with packed weights."""
    size = prod(spec.kernel) * spec.x.channels * spec.y.channels
    is_cheap = spec.function is None or spec.function.kind in INLINE
    fits = is_cheap and kernels.packed_fits(spec, target.lanes)
    is_large = spec.y.height * spec.y.width >= LARGE
    return fits and size >= (LEAST_OF_LARGE if is_large else LEAST_WEIGHTS)


def forward(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    places: tuple[Value, BufferRef, BufferRef, Value],
    what: str,
    *,
    role: str = "forward",
) -> None:
    """Add the steps, small images joined where there are several."""
    x, w, bias, y = places
    pixels = spec.y.height * spec.y.width
    joins = pixels <= MOST_PIXELS
    if low.shares_images or not joins:
        when = "is_one" if joins else ""
        refs = BufferRef(x.buffer), w, bias, BufferRef(y.buffer)
        one_image(low, node, spec, refs, what, when=when, role=role)
    if not joins:
        return
    images = max(1, min(IMAGES, JOINED_PIXELS // pixels))
    many = Packed(
        spec,
        low.target.lanes,
        low.target.registers,
        images=1 << (images.bit_length() - 1),
        x_next=x.buffer.stride,
        y_next=y.buffer.stride,
    )
    packed = _pack(low, node, many, w, role)
    low.joins_images = True
    low.step(
        kernels.conv_packed_joined,
        many,
        x,
        packed,
        bias,
        y,
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why=f"packed weights, {many.images} image(s) joined{what}",
        when="is_many" if low.shares_images else "",
        multiply_adds=spec.multiply_adds,
    )


def one_image(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    places: tuple[BufferRef, BufferRef, BufferRef, BufferRef],
    what: str,
    *,
    when: str = "",
    role: str = "forward",
) -> None:
    """Add the step that makes one image; ``places`` are x, weights, bias and y."""
    x, w, bias, y = places
    size = prod(spec.kernel) * spec.x.channels * spec.y.padded_channels
    is_larger = size > spec.x.size
    one = Packed(spec, low.target.lanes, low.target.registers, by_panel=is_larger)
    low.step(
        kernels.conv_packed,
        one,
        x,
        _pack(low, node, one, w, role),
        bias,
        y,
        node=node.name,
        grain="fine",
        why=f"packed weights{what}",
        when=when,
        parts=one.parts,
        multiply_adds=spec.multiply_adds,
    )


def _pack(
    low: LoweringContext, node: Node, spec: Packed, weight: BufferRef, role: str
) -> BufferRef:
    """Return where the packed weights are; they are packed after every change."""
    name = f"{node.name} packed {spec.tile[1]} {role}"
    for buffer in low.buffers:
        if buffer.name == name:
            return BufferRef(buffer)
    packed = BufferRef(low.buffer(name, kernels.packed_size(spec), "shared"))
    low.prepare(kernels.conv_pack, spec, weight, packed, node=node.name)
    return packed
