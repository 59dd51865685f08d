"""How each layer becomes steps, by the layer's class."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.conv.conv_input_grad import gradient_halo
from pellucid.engines.compiled.kernels.layout import NO_HALO, Halo, ImageLayout
from pellucid.engines.compiled.lowering import codes
from pellucid.engines.compiled.lowering.context import LoweringContext, Options
from pellucid.engines.compiled.lowering.layers import (
    activation,
    arithmetic,
    channelwise,
    code_moves,
    conv,
    conv_pool,
    conv_transpose,
    dense,
    dropout,
    geometry,
    group_norm,
    local_response_norm,
    matmul,
    normalization,
    own,
    pool,
    quantized,
    rearrange,
    recurrent,
    resize,
)
from pellucid.engines.compiled.lowering.parameters import Group, Layout
from pellucid.network import Network
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, find_entry, has_entry, is_own
from pellucid.network.node import Node


def _lower_conv(low: LoweringContext, node: Node) -> None:
    """Lower a convolution, with ReLU and max-pool where they are fused into it."""
    lower = conv_pool.lower if node.name in low.pooled else conv.lower
    lower(low, node)


def _lower_concat(low: LoweringContext, node: Node) -> None:
    """Lower a concatenation: of channels whole pixels are copied."""
    rank = len(low.network.shapes[node.name])
    is_last = getattr(node.layer, "axis", -1) in (-1, rank - 1)
    lower = geometry.lower_concat if is_last else rearrange.lower_concat
    lower(low, node)


def _lower_row(low: LoweringContext, node: Node) -> None:
    """Lower a layer of sequences as that of images of height 1, as they lie already."""
    flat = _as_image(node)
    LOWER[type(flat.layer)](low, flat)


def _as_image(node: Node) -> Node:
    """Return a node of sequences with the layer of images that does the same."""
    layer = node.layer
    return (
        node.with_layer(layer.as_2d()) if isinstance(layer, pl.OneDimensional) else node
    )


LOWER: dict[type[Layer], Callable[[LoweringContext, Node], None]] = {
    pl.Arithmetic: arithmetic.lower,
    pl.Add: arithmetic.lower_add,
    pl.AvgPool2D: pool.lower,
    pl.BatchNorm: normalization.lower,
    pl.Concat: _lower_concat,
    pl.Conv2D: _lower_conv,
    pl.ConvTranspose2D: conv_transpose.lower,
    pl.Dense: dense.lower,
    pl.Dequantize: quantized.lower_dequantize,
    pl.Dropout: dropout.lower,
    pl.Flatten: geometry.lower_flatten,
    pl.GlobalAvgPool2D: pool.lower_global,
    pl.GlobalMaxPool2D: pool.lower,
    pl.Hybrid: quantized.lower_hybrid,
    pl.L2Normalize: group_norm.lower_l2,
    pl.LayerNorm: normalization.lower_layer_norm,
    pl.LocalResponseNorm: local_response_norm.lower,
    pl.LogSoftmax: activation.lower_softmax,
    pl.MatMul: matmul.lower,
    pl.MaxPool2D: pool.lower,
    pl.OneDimensional: _lower_row,
    pl.Parameter: matmul.lower_parameter,
    pl.PerImageNorm: group_norm.lower,
    pl.Pointwise: activation.lower,
    pl.PReLU: channelwise.lower_prelu,
    pl.Quantize: quantized.lower_quantize,
    pl.Quantized: quantized.lower,
    pl.Rearrangement: rearrange.lower,
    pl.Recurrent: recurrent.lower,
    pl.Rescale: channelwise.lower_rescale,
    pl.Resize: resize.lower,
    pl.Softmax: activation.lower_softmax,
    pl.Upsample2D: geometry.lower_upsample,
    pl.ZeroPad2D: geometry.lower_pad,
}


def wanted_halo(low: LoweringContext, node: Node) -> Halo:
    """Return the zeros that a node reads around its input."""
    layer = _as_image(node).layer
    x, y = low.plain_map(node.inputs[0]), low.plain_map(node.name)
    if isinstance(layer, pl.Quantized):  # a Hybrid makes integers with zeros around
        return quantized.input_halo(node, x, y) or NO_HALO
    if not isinstance(layer, pl.Conv2D | pl.ConvTranspose2D):
        return NO_HALO
    if isinstance(layer, pl.Conv2D):
        return conv.input_halo(conv.describe(layer, x, y))
    return gradient_halo(conv.describe(layer, x, y))


def lower_node(low: LoweringContext, node: Node) -> None:
    """Add the steps of a node; what it does not take as codes becomes floats first."""
    lower, layer = find_lowering(node.layer), _as_image(node).layer
    if lower is None:  # inputs are there already
        return
    if code_moves.fits(low, node, layer):
        code_moves.lower(low, node, layer)
        return
    if not quantized.takes_codes(layer):
        for name in node.inputs:
            codes.widen(low, name)
    lower(low, node)


def reads_exact(node: Node) -> bool:
    """Return whether a node reads the caller's array as it lies."""
    return isinstance(node.layer, pl.Quantize)


def find_lowering(
    layer: Layer,
) -> Callable[[LoweringContext, Node], None] | None:
    """Return what lowers a layer; None where there is no compiled path."""
    if is_own(layer):
        return own.lower
    return find_entry(LOWER, layer) if has_entry(LOWER, layer) else None


def weight_layout(
    network: Network,
    node: Node,
    role: str,
    maps: tuple[ImageLayout, ImageLayout],
    *,
    target: Target,
    options: Options,
) -> tuple[Layout, Group]:
    """Return how a layer's weight lies, and where its derivative comes from.

    ``maps`` are the input's and the output's.
    """
    layer, (x, y) = _as_image(node).layer, maps
    if isinstance(layer, pl.Hybrid | pl.Quantized):
        return quantized.weight_layout(node, role, maps, target), "fixed"
    specs = {
        spec.role: spec for spec in node.layer.weights(*network.input_shapes(node))
    }
    if is_own(layer):
        return own.weight_layout(specs[role].shape), "chunk"
    shape, rank = specs[role].shape, len(network.shapes[node.name])
    if isinstance(layer, pl.Recurrent):
        rows = x.padded_channels if role == "weight" else layer.units
        return recurrent.weight_layout(layer, shape, rows), "chunk"
    if isinstance(layer, pl.ConvTranspose2D) and role == "weight":
        return conv_transpose.weight_layout(conv.describe(layer, x, y), shape), "chunk"
    if isinstance(layer, pl.Conv2D) and role == "weight":
        spec = conv.describe(layer, x, y)
        if conv_pool.is_sparse(network, node, spec, options):
            return conv_pool.sparse_layout(spec, shape), "chunk"
        return conv.weight_layout(spec, shape), "chunk"
    if isinstance(layer, pl.Dense):
        is_image = rank > 1
        group: Group = "chunk" if is_image else "dense"
        if role == "weight" and is_image:
            return conv.weight_layout(conv.describe(layer, x, y), shape), group
        if role == "weight":
            return dense.weight_layout(x, y, shape), group
        return _vector(y, shape), group
    if isinstance(layer, pl.Parameter):
        return matmul.parameter_layout(y, shape), "chunk"
    if isinstance(layer, pl.BatchNorm):
        return _vector(y, shape), "fixed" if role.startswith("running") else "norm"
    return _vector(y, shape), "chunk"


def _vector(y: ImageLayout, shape: tuple[int, ...]) -> Layout:
    return Layout((y.padded_channels,), shape, (0,))
