"""Lower a convolution with ReLU and 2×2 max-pool to one call each way.

The convolution's own output is never stored: of each window only the largest value
and a code of where it stood. In the backward pass at most one of four outputs has a
derivative, and none where ReLU gave 0; going through what is left, bit by bit,
replaces dense products.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from pellucid.engines.compiled.kernels.conv import conv_pool as kernels
from pellucid.engines.compiled.kernels.conv import (
    conv_pool_weight_grad,
    sparse_input_grad,
    sparse_weight_grad,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_pool import ConvPool
from pellucid.engines.compiled.kernels.conv.sparse_weight_grad import Sparse
from pellucid.engines.compiled.kernels.conv.sparse_window_grad import (
    pack_windows,
    window_grad_input,
    windows_of,
)
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import (
    Winograd,
    winograd_fits,
)
from pellucid.engines.compiled.lowering.context import LoweringContext, Options
from pellucid.engines.compiled.lowering.layers import conv, lower_amx, lower_images
from pellucid.engines.compiled.lowering.layers.activation import RELU
from pellucid.engines.compiled.lowering.parameters import Layout
from pellucid.engines.compiled.program.program_ir import Buffer, BufferRef, Value
from pellucid.network import Network
from pellucid.network.layers import Conv2D, MaxPool2D, ReLU
from pellucid.network.node import Node

#: outputs up to which an image is done sooner than its weights are read, if so many
FEW_PIXELS, MANY_WEIGHTS = 16, 1 << 16


def pooled_chain(network: Network, node: Node, end: str = "") -> tuple[Node, ...]:
    """Return the ReLU and the 2×2 max-pool that alone follow a node, or nothing.

    ``end`` names what was folded into it, which they follow then.
    """
    if not isinstance(node.layer, Conv2D):
        return ()
    relus = network.consumers[end or node.name]
    if len(relus) != 1 or not isinstance(relus[0].layer, ReLU):
        return ()
    pools = network.consumers[relus[0].name]
    if len(pools) != 1 or not isinstance(pools[0].layer, MaxPool2D):
        return ()
    if {node.name, end, relus[0].name}.intersection(network.outputs):
        return ()
    layer = pools[0].layer
    is_plain = layer.kernel == layer.strides == (2, 2)
    height, width, _ = network.shapes[relus[0].name]
    if not is_plain or layer.pads((height, width)) != ((0, 0), (0, 0)):
        return ()
    return relus[0], pools[0]


def is_sparse(network: Network, node: Node, spec: Conv, options: Options) -> bool:
    """Whether the backward pass visits active outputs only.

    Weights then lie [out][kh][kw][in].
    """
    chain = () if node.owner in network.shared else pooled_chain(network, node)
    fits = kernels.conv_pool_fits(spec) and sparse_weight_grad.sparse_fits(spec)
    fits = fits and not lower_amx.rounds(options, spec)
    is_small = spec.y.height * spec.y.width <= FEW_PIXELS
    fits = fits and not (is_small and prod(spec.weight_shape) >= MANY_WEIGHTS)
    return options.fuse and options.sparse and bool(chain) and fits


def sparse_layout(spec: Conv, shape: tuple[int, ...]) -> Layout:
    """Return the layout [output][kernel_h][kernel_w][input]."""
    return Layout(
        (spec.y.padded_channels, *spec.kernel, spec.x.padded_channels),
        shape,
        (3, 0, 1, 2),
    )


def can_fuse(low: LoweringContext, node: Node) -> bool:
    """Whether a convolution, its ReLU and its pool are one step in this program."""
    chain = pooled_chain(low.network, node, low.end_of(node))
    if not chain or not isinstance(node.layer, Conv2D):
        return False
    x, y = low.plain_map(node.inputs[0]), low.plain_map(node.name)
    spec = conv.describe(node.layer, x, y)
    if not kernels.conv_pool_fits(spec) or lower_amx.rounds(low.options, spec):
        return False
    if low.purpose.kind == "predict" and conv.is_joined(low, spec):
        return False  # reading the weights once saves more than a pass over the image
    by_lives = is_sparse(low.network, node, spec, low.options)
    if not low.purpose.goes_back or by_lives:
        return True
    return low.options.sparse and node.inputs[0] not in low.learners


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of a convolution with its ReLU and pool."""
    layer = node.layer_as(Conv2D)
    end = low.pooled[node.name][-1].name
    x, y = low.source(node), low.output(end)
    spec = conv.describe(layer, x.map, low.plain_map(node.name))
    spec = replace(spec, has_bias=low.has_bias(node))
    keeps = low.purpose.goes_back
    size = y.map.height * y.map.width * y.map.padded_channels
    codes = low.buffer(f"{end} codes", size if keeps else 1, "image", "i8")
    _forward(low, node, replace(spec, function=RELU), (x, y), codes, keeps_codes=keeps)

    def back() -> None:
        if is_sparse(low.network, node, spec, low.options):
            _pull_what_lives(low, node, spec, (x, low.grads[end]), codes)
        else:
            _pull_by_codes(low, node, spec, (x, low.grads[end]), codes)

    low.on_back(end, back)


def _forward(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    pair: tuple[Value, Value],
    codes: Buffer,
    *,
    keeps_codes: bool,
) -> None:
    x, y = pair
    weight = low.weight(node, "weight")
    bias = low.weight(node, "bias") if spec.has_bias else weight
    places = BufferRef(x.buffer), bias, BufferRef(y.buffer)
    if lower_images.pays(low, spec):
        made = low.scratch(f"{node.name} made", low.plain_map(node.name))
        where = (x, conv.hwio(low, node, spec), bias, made)
        lower_images.forward(low, node, replace(spec, function=None), where, "")
        pooled = ConvPool(replace(spec, has_bias=False), y.map, keeps_codes)
        at = made, y, BufferRef(codes)
        low.step(kernels.pool_with_codes, pooled, *at, node=node.name)
        return
    if low.options.winograd and winograd_fits(spec):
        fast = Winograd(spec, pooled=True, y=y.map, keeps_codes=keeps_codes)
        what = ", with relu and max-pool"
        conv.add_winograd(low, node, fast, places, what=what, codes=codes)
        return
    low.step(
        kernels.conv_pool_forward,
        ConvPool(spec, y.map, keeps_codes),
        BufferRef(x.buffer),
        conv.hwio(low, node, spec),
        bias,
        BufferRef(y.buffer),
        BufferRef(codes),
        node=node.name,
        grain="fine",
        why="convolution, relu and max-pool at once",
        multiply_adds=conv.multiply_adds(spec),
    )


def _pull_by_codes(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    pair: tuple[Value, Value],
    codes: Buffer,
) -> None:
    """Few input channels: every window adds to all weights, picked by its code."""
    x, grad = pair
    if not low.trains(node):
        return
    low.clear_chunk_grad(node, "weight")
    bias = _bias_grad(low, node, spec)
    low.step(
        conv_pool_weight_grad.conv_pool_weight_grad,
        Sparse(spec, grad.map, x.map),
        BufferRef(x.buffer),
        BufferRef(grad.buffer),
        BufferRef(codes),
        low.chunk_grad(node, "weight"),
        bias,
        node=node.name,
        grain="fine",
        why="a derivative for one output of each window",
        multiply_adds=conv.multiply_adds(spec) // 4,
    )


def _bias_grad(low: LoweringContext, node: Node, spec: Conv) -> BufferRef:
    if spec.has_bias and low.trains(node):
        low.clear_chunk_grad(node, "bias")
        return low.chunk_grad(node, "bias")
    return BufferRef(
        low.buffer(f"{node.name} no bias", spec.y.padded_channels, "worker")
    )


def _pull_what_lives(
    low: LoweringContext,
    node: Node,
    spec: Conv,
    pair: tuple[Value, Value],
    codes: Buffer,
) -> None:
    x, grad = pair
    source = node.inputs[0]
    if low.trains(node):
        _pull_weight(low, node, Sparse(spec, grad.map, x.map), pair, codes)
    if source not in low.learners:
        return
    around = low.plain_map(source).with_halo(conv.input_halo(spec))
    part = low.scratch(f"grad {source} by {node.name}", around)
    full = Sparse(spec, grad.map, around)
    _pull_input(low, node, full, (grad, part), codes)
    if source not in low.grads and not low.wants_grad_halo(source):
        low.grads[source] = part
        return
    to, accumulate = low.grad_target(source)
    low.copy_whole(part, to, (part.map, to.map), node.name, accumulate=accumulate)


def _pull_input(
    low: LoweringContext,
    node: Node,
    spec: Sparse,
    pair: tuple[Value, Value],
    codes: Buffer,
) -> None:
    """Add the step of the input's derivative: window by window, or cell by cell."""
    grad, part = pair
    windows = windows_of(spec, low.target.lanes, low.target.registers)
    weight = low.weight(node, "weight")
    if windows is None:
        size = sparse_input_grad.input_scratch_size(spec)
        scratch = low.buffer(f"{node.name} cells", size, "worker")
    else:
        size = windows.parts * windows.part_size
        packed = BufferRef(low.buffer(f"{node.name} parts", size, "shared"))
        low.prepare(pack_windows, windows, weight, packed, node=node.name)
        weight = packed
        scratch = low.buffer(f"{node.name} lives", windows.masks, "worker", "i64")
    low.step(
        sparse_input_grad.sparse_grad_input if windows is None else window_grad_input,
        spec if windows is None else windows,
        BufferRef(grad.buffer),
        BufferRef(codes),
        weight,
        BufferRef(part.buffer),
        BufferRef(scratch),
        node=node.name,
        grain="fine",
        why=f"{'cells' if windows is None else 'windows'}, only what is alive",
        multiply_adds=conv.multiply_adds(spec.conv) // 4,
    )


def _pull_weight(
    low: LoweringContext,
    node: Node,
    spec: Sparse,
    pair: tuple[Value, Value],
    codes: Buffer,
) -> None:
    x, grad = pair
    name = node.name
    lives = low.buffer(f"{name} lives by output", spec.lives, "worker", "i64")
    low.clear_chunk_grad(node, "weight")
    bias = _bias_grad(low, node, spec.conv)
    low.step(
        sparse_weight_grad.sparse_lives,
        spec,
        BufferRef(grad.buffer),
        BufferRef(codes),
        BufferRef(lives),
        bias,
        node=name,
        grain="fine",
        why="which windows are alive",
    )
    low.step(
        sparse_weight_grad.sparse_grad_weight,
        spec,
        BufferRef(x.buffer),
        BufferRef(grad.buffer),
        BufferRef(codes),
        BufferRef(lives),
        low.chunk_grad(node, "weight"),
        BufferRef(low.buffer(f"{name} patches", spec.windows, "worker", "i32")),
        node=name,
        grain="fine",
        why="windows, only what is alive",
        multiply_adds=conv.multiply_adds(spec.conv) // 4,
    )
