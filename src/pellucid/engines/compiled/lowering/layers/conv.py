"""Lower convolutions to kernel calls."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Literal

from pellucid.engines.compiled.kernels.amx import conv_amx
from pellucid.engines.compiled.kernels.amx.amx import EDGE
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx
from pellucid.engines.compiled.kernels.conv import (
    conv_input_grad_scatter,
    conv_single_channel,
    conv_weight_grad_blocks,
    depthwise,
)
from pellucid.engines.compiled.kernels.conv.conv import (
    Conv,
    ConvJoined,
    conv_forward,
    conv_from_ohwi,
)
from pellucid.engines.compiled.kernels.conv.conv_input_grad import (
    conv_grad_input,
    conv_grad_input_joined,
    conv_turn_weight,
    gradient_halo,
)
from pellucid.engines.compiled.kernels.conv.conv_weight_grad import (
    conv_grad_bias,
    conv_grad_weight,
    conv_grad_weight_joined,
)
from pellucid.engines.compiled.kernels.conv.zero_mask import find_zeros, seen_size
from pellucid.engines.compiled.kernels.elementwise import copies
from pellucid.engines.compiled.kernels.elementwise.activation import Function
from pellucid.engines.compiled.kernels.layout import NO_HALO, Halo, ImageLayout
from pellucid.engines.compiled.kernels.winograd import (
    winograd,
    winograd_joined,
    winograd_weight_grad,
)
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import (
    Winograd,
    on_amx,
    winograd_fits,
)
from pellucid.engines.compiled.kernels.winograd.winograd_weight import (
    amx_steps,
    taps_size,
    tile_groups,
    weight_size,
    winograd_amx_weight,
    winograd_weight,
)
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import (
    lower_amx,
    lower_images,
    lower_joined,
    lower_packed,
    lower_pixels,
    lower_tiny,
)
from pellucid.engines.compiled.lowering.layers.activation import (
    function_of,
    lower_activation_grad,
)
from pellucid.engines.compiled.lowering.parameters import Layout
from pellucid.engines.compiled.program.program_ir import Buffer, BufferRef, Value
from pellucid.network.layers import BatchNorm, Conv2D, ConvTranspose2D, Dense
from pellucid.network.node import Node

Pair = tuple[int, int]

#: tiles of one image for which reading its weights is less than the transformed ones
FEW_TILES = 4
#: the same for weights in parts, which AMX multiplies as fast as transformed ones
AMX_TILES = 16
#: bytes of transformed weights above which a prediction reads them once at any price
LARGE = 4 << 20
_GREY = "a vector is some pixels"


def describe(
    layer: Conv2D | ConvTranspose2D | Dense, x: ImageLayout, y: ImageLayout
) -> Conv:
    """Return the convolution that a layer computes; Dense on an image is 1×1.

    That of a transposed convolution goes from its output to its input.
    """
    if isinstance(layer, Dense):
        return Conv(x, y, (1, 1), has_bias=layer.bias)
    (top, _), (left, _) = layer.pads((x.height, x.width))
    is_turned = isinstance(layer, ConvTranspose2D)
    return Conv(
        *((y, x) if is_turned else (x, y)),
        layer.kernel,
        layer.strides,
        layer.dilations,
        (top, left),
        layer.groups,
        layer.bias and not is_turned,
    )


def input_halo(spec: Conv) -> Halo:
    """Return the zeros that a convolution reads around its input."""
    down, across = ((axis.pad, max(0, axis.reach)) for axis in spec.axes)
    return down, across


def weight_layout(spec: Conv, shape: tuple[int, ...]) -> Layout:
    """Return the layout [kernel_h][kernel_w][input][output] of a weight."""
    split = (*(1,) * (4 - len(shape)), *shape)
    return Layout(spec.weight_shape, split, (0, 1, 2, 3))


def multiply_adds(spec: Conv) -> int:
    """Return the multiplications (each with its addition) of one image."""
    return spec.multiply_adds


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of Conv2D, or of Dense on an image."""
    layer = node.layer
    if not isinstance(layer, Conv2D | Dense):
        raise TypeError(type(layer))
    x = low.source(node)
    if node.name in low.added:
        _lower_sum(low, node, layer)
        return
    after = low.fused.get(node.name)
    function = function_of(after.layer) if after else None
    y = low.output(low.end_of(node))
    spec = replace(describe(layer, x.map, y.map), has_bias=low.has_bias(node))
    forward(low, node, replace(spec, function=function), (x, y))
    is_within = lower_tiny.pays(low, spec) or lower_images.pays(low, spec)
    halo = NO_HALO if is_within else gradient_halo(spec)
    low.want_grad_halo(node.name, halo)
    name = after.name if after else node.name

    def back() -> None:
        grad = low.grads[name]
        if after and function:
            m = low.plain_map(node.name).with_halo(halo)
            grad = lower_activation_grad(low, function, (y, grad), m, node.name)
        pull(low, node, replace(spec, y=grad.map), (x, grad))

    low.on_back(name, back)


def _lower_sum(low: LoweringContext, node: Node, layer: Conv2D | Dense) -> None:
    """Add the steps of a convolution that adds to the image where the sum will lie."""
    sum_, other = low.added[node.name]
    after, x, y = low.fused.get(sum_.name), low.source(node), low.values[other]
    low.values[low.end_of(sum_)] = y
    spec = describe(layer, x.map, y.map)
    function = function_of(after.layer) if after else None
    spec = replace(spec, has_bias=low.has_bias(node), function=function)
    forward(low, node, replace(spec, accumulate=True), (x, y))


def forward(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Value, Value]
) -> None:
    """Add the step that convolves: by Winograd where that pays, else by tiles."""
    x, y = pair
    what = f", {spec.function.kind}" if spec.function else ""
    what = f", added{what}" if spec.accumulate else what
    w = hwio(low, node, spec)
    bias = low.weight(node, "bias") if spec.has_bias else w
    refs = BufferRef(x.buffer), w, bias, BufferRef(y.buffer)
    if lower_amx.rounds(low.options, spec):
        lower_amx.forward(low, node, spec, refs, what)
        return
    if lower_images.pays(low, spec):
        lower_images.forward(low, node, spec, (x, w, bias, y), what)
        return
    if lower_tiny.pays(low, spec):
        lower_tiny.forward(low, node, spec, (x, w, bias, y), what)
        return
    if low.options.winograd and winograd_fits(spec):
        # Where a ReLU follows, rounding may move an output across 0 and change a whole
        # derivative: training goes forward by the smaller, more exact tiles. With batch
        # norm between them an output of exactly 0 is not where the ReLU bends, and the
        # backward pass has no such point: these use what costs least.
        is_exact = low.purpose.goes_back and _has_corners(low, node)
        edge: Literal[0, 2] = 2 if is_exact else 0
        fast = Winograd(spec, pooled=False, y=y.map, edge=edge)
        add_winograd(
            low, node, fast, (BufferRef(x.buffer), bias, BufferRef(y.buffer)), what=what
        )
        return
    if lower_pixels.pays(low, spec):
        lower_pixels.forward(low, node, spec, (x, w, bias, y), what)
        return
    if lower_amx.pays(low, spec):
        lower_amx.forward(low, node, spec, refs, what)
        return
    if lower_packed.pays(spec, low.target):
        lower_packed.forward(low, node, spec, (x, w, bias, y), what)
        return
    kernel, why = conv_forward, "register tiles"
    if depthwise.depthwise_fits(spec):
        kernel, why = depthwise.depthwise_forward, "each channel alone"
    elif conv_single_channel.single_channel_fits(spec, low.target.lanes):
        kernel, why = conv_single_channel.single_channel_forward, _GREY
        size = conv_single_channel.single_channel_weight_size(spec, low.target.lanes)
        repeated = low.buffer(f"{node.name} repeated", size, "shared")
        low.prepare(
            conv_single_channel.single_channel_weight,
            spec,
            w,
            BufferRef(repeated),
            node=node.name,
        )
        w = BufferRef(repeated)
    low.step(
        kernel,
        spec,
        BufferRef(x.buffer),
        w,
        bias,
        BufferRef(y.buffer),
        node=node.name,
        grain="fine",
        why=f"{why}{what}",
        multiply_adds=multiply_adds(spec),
        parts=spec.y.height,
    )


def is_joined(low: LoweringContext, spec: Conv) -> bool:
    """Whether Winograd takes all tiles at once for the sake of large weights."""
    if lower_amx.rounds(low.options, spec):
        return False
    if not (low.options.winograd and winograd_fits(spec)):
        return False
    fast = Winograd(spec, pooled=False, y=spec.y)
    return 4 * weight_size(fast) > LARGE and winograd_joined.join(fast) is not None


def is_better_apart(low: LoweringContext, node: Node, function: Function) -> bool:
    """Whether an activation is to be a step of its own behind a convolution.

    Packed weights are four times as fast as other tiles where these do not fit into the
    first cache; a long function would be written out behind each of their outputs.
    """
    layer = node.layer
    if not isinstance(layer, Conv2D | Dense) or function.kind in lower_packed.INLINE:
        return False
    if len(low.network.shapes[node.name]) == 1:
        return False
    x, y = low.plain_map(node.inputs[0]), low.plain_map(node.name)
    spec = describe(layer, x, y)
    is_winograd = low.options.winograd and winograd_fits(spec)
    full = replace(spec, function=function)
    is_amx = lower_amx.pays(low, spec) or lower_pixels.pays(low, full)
    is_elsewhere = is_winograd or is_amx
    return not is_elsewhere and lower_packed.pays(spec, low.target)


def hwio(low: LoweringContext, node: Node, spec: Conv) -> BufferRef:
    """Return the weights as [kernel_h][kernel_w][input][output]."""
    w = low.weight(node, "weight")
    if low.parameter(node, "weight").layout.order[0] == 0:
        return w
    turned = low.buffer(f"{node.name} hwio", prod(spec.weight_shape), "shared")
    low.prepare(conv_from_ohwi, spec, w, BufferRef(turned), node=node.name)
    return BufferRef(turned)


def add_winograd(
    low: LoweringContext,
    node: Node,
    spec: Winograd,
    places: tuple[BufferRef, BufferRef, BufferRef],
    *,
    what: str = "",
    codes: Buffer | None = None,
) -> None:
    """Add Winograd's step, and the weights' transform whenever they change."""
    is_ohwi = low.parameter(node, "weight").layout.order[0] != 0
    spec = replace(spec, weight_layout="ohwi" if is_ohwi else "hwio")
    if low.has_amx:
        group = None if spec.pooled else winograd_joined.join(spec)
        if group is None:
            spec = on_amx(spec)
        elif not low.shares_images:  # for one image the weights' parts are too large
            spec = on_amx(spec, group.images)
    role = "back" if spec.is_turned else "forward"
    u = low.buffer(f"{node.name} U {role}", weight_size(spec), "shared")
    size = winograd.scratch_size(spec, low.target.lanes)
    scratch = low.buffer(f"{node.name} tiles {role}", size, "worker")
    weight = low.weight(node, "weight")
    taps = low.buffer(f"{node.name} taps {role}", taps_size(low.target.lanes), "worker")
    if spec.on_amx:
        of_weight, of_u = amx_steps(spec)
        low.prepare(
            winograd_amx_weight,
            spec,
            replace(weight, per_block=of_weight),
            BufferRef(u, per_block=of_u),
            BufferRef(taps),
            node=node.name,
            blocks=spec.conv.y.padded_channels // EDGE,
        )
    else:
        arguments = weight, BufferRef(u), BufferRef(taps)
        low.prepare(winograd_weight, spec, *arguments, node=node.name)
    x, bias, y = places
    group = winograd_joined.join(spec) if codes is None else None
    is_exact = role == "forward" and _has_corners(low, node)
    fits_amx = low.has_amx and conv_amx.conv_amx_fits(ConvAmx(spec.conv))
    is_amx = group is not None and fits_amx and group.one <= AMX_TILES
    if low.purpose.kind == "predict" and (is_amx or is_joined(low, spec.conv)):
        is_exact = False  # no derivative that a rounding error might move
    if group is not None and not is_exact:
        if low.shares_images and is_amx:
            refs = x, hwio(low, node, spec.conv), bias, y
            lower_amx.one_image(low, node, spec.conv, refs, what, when="is_one")
        elif low.shares_images and group.one <= FEW_TILES:
            refs = x, hwio(low, node, spec.conv), bias, y
            lower_packed.one_image(low, node, spec.conv, refs, what, when="is_one")
        elif low.shares_images:
            refs = x, BufferRef(u), bias, y
            lower_joined.one_image(low, node, group, refs, what)
        lower_joined.forward(low, node, group, (x, BufferRef(u), bias, y), what)
        return
    seen = BufferRef(u)
    if is_exact:
        spec = replace(spec, keeps_zeros=True)
        seen = BufferRef(
            low.buffer(f"{node.name} seen", seen_size(spec.conv), "image", "i32")
        )
        rows = spec.conv.y.height
        low.step(
            find_zeros, spec.conv, x, seen, node=node.name, grain="fine", parts=rows
        )
    low.step(
        winograd.winograd_forward,
        spec,
        x,
        BufferRef(u),
        bias,
        y,
        BufferRef(codes) if codes else BufferRef(u),
        seen,
        BufferRef(scratch),
        node=node.name,
        grain="fine",
        why=f"{spec.title}: 3×3, stride 1{what}",
        multiply_adds=multiply_adds(spec.conv),
        parts=tile_groups(spec),
    )


def _has_corners(low: LoweringContext, node: Node) -> bool:
    """Whether an exact zero matters: not where batch norm alone comes next."""
    followers = low.network.consumers[node.name]
    return not all(isinstance(after.layer, BatchNorm) for after in followers)


def pull(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Value, Value]
) -> None:
    """Add the steps of a convolution's derivatives, from its input and grad_y."""
    _, grad = pair
    if low.trains(node):
        _pull_weight(low, node, spec, pair)
        if spec.has_bias:
            low.clear_chunk_grad(node, "bias")
            low.step(
                conv_grad_bias,
                spec.y,
                BufferRef(grad.buffer),
                low.chunk_grad(node, "bias"),
                node=node.name,
            )
    if node.inputs[0] in low.learners:
        _pull_input(low, node, spec, grad)


def _pull_weight(
    low: LoweringContext, node: Node, spec: Conv, pair: tuple[Value, Value]
) -> None:
    x, grad = pair
    if lower_images.pays(low, spec):
        lower_images.weight_grad(low, node, spec, pair)
        return
    if lower_tiny.pays(low, spec):
        lower_tiny.weight_grad(low, node, spec, pair)
        return
    low.clear_chunk_grad(node, "weight")
    if lower_amx.rounds(low.options, spec):
        lower_amx.weight_grad(low, node, spec, pair)
        return
    if low.options.winograd and winograd_fits(spec):
        fast = Winograd(spec, pooled=False, y=spec.y)
        group = winograd_joined.join(fast)
        if group is not None and group.images > 1:
            lower_joined.weight_grad(low, node, group, (x.buffer, grad.buffer))
            return
        size = winograd_weight_grad.grad_size(fast)
        grad_u = low.buffer(f"{node.name} grad U", size, "worker")
        low.prologue(copies.zero, size, BufferRef(grad_u), node=node.name)
        room = winograd_weight_grad.back_scratch_size(fast)
        scratch = low.buffer(f"{node.name} tiles grad", room, "worker")
        low.step(
            winograd_weight_grad.winograd_grad_weight,
            fast,
            BufferRef(x.buffer),
            BufferRef(grad.buffer),
            BufferRef(grad_u),
            BufferRef(scratch),
            node=node.name,
            grain="fine",
            why=f"{fast.title}, transposed",
            multiply_adds=multiply_adds(spec),
        )
        low.step(
            winograd_weight_grad.winograd_grad_back,
            fast,
            BufferRef(grad_u),
            low.chunk_grad(node, "weight"),
            node=node.name,
            per="chunk",
            grain="fine",
        )
        return
    kernel, why = conv_grad_weight, "register tiles"
    if lower_pixels.pays(low, spec):
        lower_pixels.weight_grad(low, node, spec, (x.buffer, grad.buffer))
        return
    if conv_weight_grad_blocks.blocks_fit(spec, low.target.lanes):
        lower_joined.weight_grad_blocks(low, node, spec, (x.buffer, grad.buffer))
        return
    if depthwise.depthwise_fits(spec):
        kernel, why = depthwise.depthwise_grad_weight, "each channel alone"
    elif conv_single_channel.single_channel_fits(spec, low.target.lanes):
        kernel, why = conv_single_channel.single_channel_weight_grad, _GREY
    elif lower_joined.are_small(spec.x, spec.y):
        joined = ConvJoined(spec, x.buffer.stride, grad.buffer.stride)
        places = BufferRef(x.buffer), BufferRef(grad.buffer)
        refs = (*places, low.chunk_grad(node, "weight"))
        lower_joined.gradient(low, node, conv_grad_weight_joined, joined, refs)
        return
    low.step(
        kernel,
        spec,
        BufferRef(x.buffer),
        BufferRef(grad.buffer),
        low.chunk_grad(node, "weight"),
        node=node.name,
        grain="fine",
        why=why,
        multiply_adds=multiply_adds(spec),
    )


def _pull_input(low: LoweringContext, node: Node, spec: Conv, grad: Value) -> None:
    to, accumulate = low.grad_target(node.inputs[0])
    full = replace(spec, x=to.map, accumulate=accumulate)
    if lower_images.pays(low, spec):
        lower_images.input_grad(low, node, full, (to, grad))
        return
    if lower_tiny.pays(low, spec):
        lower_tiny.input_grad(low, node, full, (to, grad))
        return
    mirror = lower_amx.mirror(full, accumulate=accumulate)
    if mirror and lower_amx.rounds(low.options, mirror):
        w, size = low.weight(node, "weight"), prod(spec.transposed_shape)
        back = BufferRef(low.buffer(f"{node.name} turned", size, "shared"))
        low.prepare(conv_turn_weight, full, w, back, node=node.name)
        places = BufferRef(grad.buffer), back, back, BufferRef(to.buffer)
        lower_amx.forward(low, node, mirror, places, "", role="back")
        return
    is_fit = mirror and winograd_fits(spec) and winograd_fits(mirror)
    if low.options.winograd and mirror and is_fit:
        fast = Winograd(mirror, pooled=False, y=to.map, is_turned=True)
        weight = low.weight(node, "weight")
        add_winograd(
            low, node, fast, (BufferRef(grad.buffer), weight, BufferRef(to.buffer))
        )
        return
    w = low.weight(node, "weight")
    if depthwise.depthwise_fits(full):
        kernel, why = depthwise.depthwise_grad_input, "each channel alone"
    else:
        turn, size = conv_turn_weight, prod(spec.transposed_shape)
        kernel, why = conv_grad_input, "register tiles"
        if conv_input_grad_scatter.scatter_pays(full, low.target.lanes):
            turn = conv_input_grad_scatter.scatter_weight
            size = conv_input_grad_scatter.scatter_weight_size(full, low.target.lanes)
            kernel, why = (
                conv_input_grad_scatter.scatter_input_grad,
                "each output over its window",
            )
        turned = low.buffer(f"{node.name} turned", size, "shared")
        low.prepare(turn, full, w, BufferRef(turned), node=node.name)
        w = BufferRef(turned)
        if _pull_pointwise(low, node, full, (grad, w, to)):
            return
    if kernel is conv_grad_input and lower_joined.are_small(to.map, grad.map):
        joined = ConvJoined(full, to.buffer.stride, grad.buffer.stride)
        refs = BufferRef(grad.buffer), w, BufferRef(to.buffer)
        lower_joined.gradient(low, node, conv_grad_input_joined, joined, refs)
        return
    low.step(
        kernel,
        full,
        BufferRef(grad.buffer),
        w,
        BufferRef(to.buffer),
        node=node.name,
        grain="fine",
        why=why,
        multiply_adds=multiply_adds(spec),
    )


def _pull_pointwise(
    low: LoweringContext, node: Node, spec: Conv, places: tuple[Value, BufferRef, Value]
) -> bool:
    """Make the input's gradient of a 1×1 convolution as another one, if that pays.

    ``places`` are grad_y, the turned weights and the gradient.
    """
    grad, w, to = places
    if spec.kernel != (1, 1) or spec.stride != (1, 1) or spec.top_left != (0, 0):
        return False
    mirror = Conv(grad.map, to.map, (1, 1), has_bias=False, accumulate=spec.accumulate)
    if lower_pixels.pays(low, mirror):
        lower_pixels.forward(low, node, mirror, (grad, w, w, to), "", role="back")
        return True
    if lower_amx.pays(low, mirror):
        refs = BufferRef(grad.buffer), w, w, BufferRef(to.buffer)
        lower_amx.forward(low, node, mirror, refs, "", role="back")
        return True
    if lower_packed.pays(mirror, low.target):
        lower_packed.forward(low, node, mirror, (grad, w, w, to), "", role="back")
        return True
    return False
