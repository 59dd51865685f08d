"""Lower convolutions of small maps to AMX tiles whose rows are images."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from pellucid.engines.compiled.kernels.amx import images_amx as kernels
from pellucid.engines.compiled.kernels.amx import images_amx_grad
from pellucid.engines.compiled.kernels.amx.images_amx import BLOCK, Images
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import lower_packed
from pellucid.engines.compiled.program.program_ir import (
    BufferRef,
    KernelCall,
    Number,
    Task,
    Value,
)
from pellucid.network.node import Node

_WHY = "images are rows, on AMX"
#: inputs from which tasks make some of their weights' gradient over all images each
MANY = 256
#: tasks that cut images
CUTTING = 8


def pays(low: LoweringContext, spec: Conv) -> bool:
    """Return whether a convolution and its gradients take a chunk's images as rows.

    A prediction may be of one image, whose weights other kernels read packed.
    """
    is_cheap = spec.function is None or spec.function.kind in lower_packed.INLINE
    fits = is_cheap and kernels.images_fit(spec)
    is_training = low.purpose.goes_back and not low.rounds
    return low.has_amx and is_training and fits


def forward(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    places: tuple[Value, BufferRef, BufferRef, Value],
    what: str,
) -> None:
    """Add the step of a chunk's images."""
    x, w, bias, y = places
    _step(low, node, _images(spec, (x, y)), (x, w, bias, y), f"{_WHY}{what}")


def input_grad(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Value, Value]
) -> None:
    """Add the step of the input's gradient; ``pair`` are it and grad_y."""
    to, grad = pair
    (kh, kw), (top, left) = spec.kernel, spec.top_left
    mirror = Conv(
        grad.map,
        to.map,
        spec.kernel,
        top_left=(kh - 1 - top, kw - 1 - left),
        has_bias=False,
        accumulate=spec.accumulate,
    )
    turned = replace(_images(mirror, (grad, to)), is_turned=True)
    w = low.weight(node, "weight")
    _step(low, node, turned, (grad, w, w, to), _WHY)


def weight_grad(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Value, Value]
) -> None:
    """Add the step of the weights' gradient, from x and grad_y."""
    x, grad = pair
    many = _images(spec, pair)
    if spec.rows >= MANY and low.early.makes(low.parameter(node, "weight")):
        _weight_grad_by_tasks(low, node, many, pair)
        return
    low.joins_images = True
    low.step(
        images_amx_grad.images_amx_grad,
        many,
        BufferRef(x.buffer),
        BufferRef(grad.buffer),
        low.chunk_grad(node, "weight"),
        BufferRef(low.workspace(images_amx_grad.images_grad_scratch_size(many))),
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why=_WHY,
        multiply_adds=spec.multiply_adds,
    )


def _weight_grad_by_tasks(
    low: LoweringContext, node: Node, many: Images, pair: tuple[Value, Value]
) -> None:
    """Let all images be cut, and tasks make 32 inputs' weights' gradient each."""
    spec, conv = images_amx_grad.Cut(many, CUTTING), many.conv
    images = [BufferRef(value.buffer, is_first=True) for value in pair]
    cut = BufferRef(low.early.operands(spec.next, images_amx_grad.GROUP), is_first=True)
    scratch = BufferRef(low.workspace(images_amx_grad.block_scratch_size()))
    numbers = Number("block"), Number("count")
    before = KernelCall(
        images_amx_grad.images_amx_cut,
        spec,
        (*images, cut, scratch, *numbers),
        "task",
        node.name,
    )
    made = KernelCall(
        images_amx_grad.images_amx_grad_inputs,
        spec,
        (*images, cut, BufferRef(low.joined_rows), scratch, *numbers),
        "task",
        node.name,
        "some inputs over all images, on AMX",
    )
    blocks = conv.rows // BLOCK
    made.multiply_adds = conv.multiply_adds // blocks
    shape = prod(conv.kernel), BLOCK * conv.y.padded_channels, blocks
    parameter = low.parameter(node, "weight")
    low.early.make(parameter, made, shape, Task([before], CUTTING))


def _images(spec: Conv, pair: tuple[Value, Value]) -> Images:
    x, y = (value.buffer.stride for value in pair)
    return Images(spec, x, y)


def _step(
    low: LoweringContext,
    node: Node,
    spec: Images,
    places: tuple[Value, BufferRef, BufferRef, Value],
    why: str,
) -> None:
    x, w, bias, y = places
    low.joins_images = True
    low.step(
        kernels.images_amx,
        spec,
        BufferRef(x.buffer),
        w,
        bias,
        BufferRef(y.buffer),
        BufferRef(low.workspace(kernels.images_scratch_size(spec))),
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why=why,
        multiply_adds=spec.conv.multiply_adds,
    )
