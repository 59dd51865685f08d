"""Lower kernels that take a chunk's images together, or one image in three steps."""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.codegen import Kernel
from pellucid.engines.compiled.kernels.conv import conv_weight_grad_blocks
from pellucid.engines.compiled.kernels.conv.conv import Conv, ConvJoined
from pellucid.engines.compiled.kernels.conv.conv_weight_grad_blocks import Blocks
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.winograd import winograd_joined as kernels
from pellucid.engines.compiled.kernels.winograd import winograd_joined_grad
from pellucid.engines.compiled.kernels.winograd.winograd_joined import Joined
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import Buffer, BufferRef, Number
from pellucid.network.node import Node

#: outputs of an image up to which direct convolutions' gradients join images
MOST_PIXELS = 25


def forward(
    low: LoweringContext,
    node: Node,
    group: Joined,
    places: tuple[BufferRef, BufferRef, BufferRef, BufferRef],
    what: str,
) -> None:
    """Add the step of a batch's images; ``places`` are x, u, bias and y."""
    x, u, bias, y = places
    spec = group.spec
    work = spec.conv.multiply_adds
    is_joined = group.images > 1
    joined = f"{group.images} images joined" if is_joined else "all tiles at once"
    low.joins_images = low.joins_images or is_joined
    size = kernels.joined_scratch_size(group)
    scratch = low.workspace(size)
    low.step(
        kernels.winograd_joined,
        group,
        x,
        u,
        bias,
        y,
        BufferRef(scratch),
        Number("images") if is_joined else 1,
        x.buffer.stride,
        y.buffer.stride,
        node=node.name,
        per="chunk" if is_joined else "image",
        grain="fine",
        why=f"{spec.title}: 3×3, stride 1, {joined}{what}",
        when="is_many" if low.shares_images else "",
        multiply_adds=work,
    )


def one_image(
    low: LoweringContext,
    node: Node,
    group: Joined,
    places: tuple[BufferRef, BufferRef, BufferRef, BufferRef],
    what: str,
) -> None:
    """Add the three steps that make one image; ``places`` are x, u, bias and y."""
    (x, u, bias, y), spec = places, group.spec
    size = kernels.joined_scratch_size(group)
    own = BufferRef(low.workspace(size, is_local=True))
    made = replace(own, offset=kernels.products_at(group))
    for kernel, mine, parts in (
        (kernels.winograd_transform, (x, own), spec.tiles[0]),
        (kernels.winograd_products, (own, u, made), spec.spots),
        (kernels.winograd_outputs, (made, bias, y), spec.tiles[0]),
    ):
        low.step(
            kernel,
            group,
            *mine,
            node=node.name,
            grain="fine",
            why=f"{spec.title}: 3×3, stride 1, by spots{what}",
            when="is_one",
            parts=parts,
            multiply_adds=spec.conv.multiply_adds * (parts == spec.spots),
        )


def weight_grad(
    low: LoweringContext, node: Node, group: Joined, pair: tuple[Buffer, Buffer]
) -> None:
    """Add the step of the weights' gradient, from x and grad_y."""
    low.joins_images = True
    x, grad = pair
    size = winograd_joined_grad.joined_grad_scratch_size(group)
    scratch = low.workspace(size)
    low.step(
        winograd_joined_grad.winograd_joined_grad,
        group,
        BufferRef(x),
        BufferRef(grad),
        low.chunk_grad(node, "weight"),
        BufferRef(scratch),
        Number("images"),
        x.stride,
        grad.stride,
        node=node.name,
        per="chunk",
        grain="fine",
        why=f"{group.spec.title}, transposed, {group.images} images joined",
        multiply_adds=group.spec.conv.multiply_adds,
    )


def weight_grad_blocks(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Buffer, Buffer]
) -> None:
    """Add the step of the weights' gradient over blocks of pixels."""
    x, grad = pair
    target = low.target
    blocks = Blocks(spec, target.lanes, target.registers, x.stride, grad.stride)
    is_small = spec.y.height * spec.y.width < conv_weight_grad_blocks.PIXELS
    low.joins_images = low.joins_images or is_small
    low.step(
        conv_weight_grad_blocks.conv_grad_weight_blocks,
        blocks,
        BufferRef(x),
        BufferRef(grad),
        low.chunk_grad(node, "weight"),
        BufferRef(low.workspace(conv_weight_grad_blocks.blocks_size(blocks))),
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why="pixels side by side",
        multiply_adds=spec.multiply_adds,
    )


def are_small(x: ImageLayout, y: ImageLayout) -> bool:
    """Whether a chunk's images lie in the second cache together."""
    is_few = y.height * y.width <= MOST_PIXELS
    return is_few and 4 * kernels.IMAGES * (x.size + y.size) <= kernels.CACHED


def gradient(
    low: LoweringContext,
    node: Node,
    kernel: Kernel,
    spec: ConvJoined,
    places: tuple[BufferRef, BufferRef, BufferRef],
) -> None:
    """Add the step of a direct convolution's gradient for a chunk's images."""
    low.joins_images = True
    low.step(
        kernel,
        spec,
        *places,
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why="register tiles, images joined",
        multiply_adds=spec.conv.multiply_adds,
    )
