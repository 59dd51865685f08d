"""Lower convolutions of tiny maps to kernels that leave out what lies outside."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from pellucid.engines.compiled.kernels.conv import conv_tiny as kernels
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_tiny import Tiny
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import lower_amx, lower_packed
from pellucid.engines.compiled.program.program_ir import (
    BufferRef,
    KernelCall,
    Number,
    Value,
)
from pellucid.network.node import Node

_WHY = "taps inside the image, images joined"
#: numbers of a weight's gradient for one tap that a task makes at most
TASK_FLOATS = 16 * 1024


def pays(low: LoweringContext, spec: Conv) -> bool:
    """Return whether a convolution and its gradients are made by these kernels."""
    if lower_amx.rounds(low.options, spec):
        return False
    is_cheap = spec.function is None or spec.function.kind in lower_packed.INLINE
    return low.options.tiny and is_cheap and kernels.tiny_fits(spec, low.target.lanes)


def forward(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    places: tuple[Value, BufferRef, BufferRef, Value],
    what: str,
) -> None:
    """Add the step of a chunk's images, and that of one image where it is shared."""
    x, w, bias, y = places
    if low.shares_images:
        refs = BufferRef(x.buffer), w, bias, BufferRef(y.buffer)
        lower_packed.one_image(low, node, spec, refs, what, when="is_one")
    tiny = _tiny(low, spec, (x, y))
    when = "is_many" if low.shares_images else ""
    _step(low, node, tiny, (x, w, bias, y), f"{_WHY}{what}", when)


def input_grad(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Value, Value]
) -> None:
    """Add the step of the input's gradient; ``pair`` are it and grad_y."""
    to, grad = pair
    tiny = _tiny(low, spec, (to, grad), is_gradient=True)
    w = low.weight(node, "weight")
    _step(low, node, tiny, (grad, w, w, to), _WHY)


def weight_grad(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Value, Value]
) -> None:
    """Add the step of the weights' gradient, from x and grad_y."""
    x, grad = pair
    tiny, parameter = _tiny(low, spec, pair), low.parameter(node, "weight")
    inputs = _inputs_of_task(spec)
    if inputs and low.early.makes(parameter):
        step = KernelCall(
            kernels.conv_tiny_grad_weight,
            replace(tiny, inputs=inputs),
            (
                BufferRef(x.buffer, per_block=inputs, is_first=True),
                BufferRef(grad.buffer, is_first=True),
                BufferRef(low.joined_rows),
                Number("count"),
            ),
            "task",
            node.name,
            "taps inside the image, some inputs over all images",
        )
        step.multiply_adds = spec.multiply_adds * inputs // spec.rows
        size = inputs * spec.y.padded_channels
        low.early.make(parameter, step, (prod(spec.kernel), size, spec.rows // inputs))
        return
    low.joins_images = True
    low.step(
        kernels.conv_tiny_grad_weight,
        tiny,
        x,
        grad,
        low.chunk_grad(node, "weight"),
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why=_WHY,
        multiply_adds=spec.multiply_adds,
    )


def _inputs_of_task(spec: Conv) -> int:
    """Return how many inputs' weights a task takes: as many to each; 0: it can't be."""
    if spec.x.channels != spec.rows:
        return 0
    most = max(1, TASK_FLOATS // spec.y.padded_channels)
    return max(n for n in range(1, min(most, spec.rows) + 1) if spec.rows % n == 0)


def _tiny(
    low: LoweringContext,
    spec: Conv,
    pair: tuple[Value, Value],
    *,
    is_gradient: bool = False,
) -> Tiny:
    x, y = (value.buffer.stride for value in pair)
    target = low.target
    return Tiny(spec, target.lanes, target.registers, x, y, is_gradient)


def _step(
    low: LoweringContext,
    node: Node,
    spec: Tiny,
    places: tuple[Value, BufferRef, BufferRef, Value],
    why: str,
    when: str = "",
) -> None:
    x, w, bias, y = places
    role = "back" if spec.is_gradient else "forward"
    packed = low.buffer(f"{node.name} taps {role}", kernels.tiny_size(spec), "shared")
    low.prepare(kernels.tiny_pack, spec, w, BufferRef(packed), node=node.name)
    low.joins_images = True
    low.step(
        kernels.conv_tiny,
        spec,
        x,
        BufferRef(packed),
        bias,
        y,
        Number("images"),
        node=node.name,
        per="chunk",
        grain="fine",
        why=why,
        when=when,
        multiply_adds=spec.conv.multiply_adds,
    )
