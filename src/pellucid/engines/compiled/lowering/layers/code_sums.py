"""Lower integer convolutions and dense layers of codes; pack their weights."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.conv.depthwise import depthwise_fits
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.quantized import (
    code_scaling,
    code_sums,
    code_sums_amx,
)
from pellucid.engines.compiled.kernels.quantized.code_scaling import CodeScaling
from pellucid.engines.compiled.kernels.quantized.code_sums import CodeSums
from pellucid.engines.compiled.kernels.quantized.code_sums_amx import TileSums
from pellucid.engines.compiled.kernels.quantized.dot import Dot, dot_for
from pellucid.engines.compiled.kernels.quantized.scaling import Rounding
from pellucid.engines.compiled.kernels.tile import lanes_within
from pellucid.engines.compiled.lowering import codes
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import conv
from pellucid.engines.compiled.program.program_ir import BufferRef
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, OneDimensional, Quantized
from pellucid.network.node import Node
from pellucid.network.quantization import encode_multiplier

Array = npt.NDArray[Any]
_KINDS = pl.Conv1D | pl.Conv2D | pl.Dense


def operation_of(layer: Quantized | pl.Hybrid) -> Layer:
    """Return what is computed, of sequences as the layer of images of height 1."""
    found = layer.operation
    return found.as_2d() if isinstance(found, OneDimensional) else found


def takes_codes(layer: Quantized) -> bool:
    """Return whether a layer multiplies codes: weights of bytes, not transposed."""
    return isinstance(layer.operation, _KINDS) and layer.weight_dtype == "int8"


def rounding_of(layer: Quantized) -> Rounding:
    """Return how a layer's sums are rounded."""
    if layer.arithmetic == "real":
        return "real"
    return "once" if isinstance(layer.operation, pl.Dense) else "twice"


def describe(
    layer: Quantized, x: ImageLayout, y: ImageLayout, target: Target
) -> CodeSums:
    """Return what a kernel must know of a layer."""
    operation: Any = operation_of(layer)
    zero = codes.zero_code(layer.output)
    scaling = CodeScaling(rounding_of(layer), *layer.limits, zero, y.padded_channels)
    one, corner, is_alone = (1, 1), (0, 0), False
    kernel, stride, dilation = one, one, one
    if not isinstance(operation, pl.Dense):
        kernel, stride = operation.kernel, operation.strides
        dilation = operation.dilations
        (top, _), (left, _) = operation.pads((x.height, x.width))
        corner = top, left
        is_alone = depthwise_fits(conv.describe(operation, x, y))
    dot: Dot = dot_for(target.dot, lanes_within(y.padded_channels, target.lanes))
    if is_alone and dot != "vnni":
        dot = "plain"
    return CodeSums(
        x,
        y,
        kernel,
        stride,
        dilation,
        corner,
        is_alone,
        operation.bias,
        dot,
        scaling,
    )


def lower(low: LoweringContext, node: Node, layer: Quantized) -> None:
    """Add the step of a convolution or a dense layer."""
    x = codes.read(low, node.inputs[0], layer.operands[0])
    y = codes.write(low, node.name, layer.output)
    spec = describe(layer, x.map, y.map, low.target)
    factors = low.weight(node, "factor")
    kernel = code_sums.depthwise_codes if spec.is_depthwise else code_sums.conv_codes
    form: CodeSums | TileSums = spec
    parts, scratch = y.map.height, list[BufferRef]()
    if low.has_amx_int8 and code_sums_amx.fits(spec):
        kernel, form = code_sums_amx.conv_codes_amx, TileSums(spec)
        parts = form.parts
        scratch = [BufferRef(low.workspace(form.scratch_size))]
    low.step(
        kernel,
        form,
        x,
        low.weight(node, "weight"),
        low.weight(node, "bias") if spec.has_bias else factors,
        factors,
        y,
        *scratch,
        node=node.name,
        why="on AMX" if scratch else "",
        multiply_adds=layer.multiply_adds(*low.network.input_shapes(node)),
        parts=parts,
    )


def pack_weight(layer: Quantized, array: Array, spec: CodeSums) -> Array:
    """Return a canonical weight as a kernel reads it."""
    inputs = 1 if spec.is_depthwise else spec.x.padded_channels
    shape = (*spec.kernel, inputs, spec.y.padded_channels)
    groups = 1 if spec.is_depthwise else getattr(layer.operation, "groups", 1)
    filled = spread_groups(array, shape, groups)
    return code_sums.pack(filled, spec, codes.zero_code(layer.operands[0]))


def spread_groups(array: Array, shape: tuple[int, ...], groups: int) -> Array:
    """Return weights in a larger shape, those of groups with zeros for the others."""
    whole = array.reshape((1,) * (4 - array.ndim) + array.shape)
    inputs, outputs = whole.shape[2], whole.shape[3]
    filled = np.zeros(shape, array.dtype)
    for g in range(groups):
        to = slice(g * outputs // groups, (g + 1) * outputs // groups)
        filled[:, :, g * inputs : (g + 1) * inputs, to] = whole[..., to]
    return filled


def pack_factor(layer: Quantized, array: Array, lanes: int, size: int) -> Array:
    """Return real factors as a kernel reads them."""
    rounding = rounding_of(layer)
    if rounding == "real":
        filled = np.zeros(size, np.float64)
        filled[: len(array)] = array
        return filled.view(np.float32)
    fixed = [encode_multiplier(float(real)) for real in array]
    return code_scaling.encode_factors(fixed, rounding, size, lanes)


def factor_size(layer: Quantized, size: int) -> int:
    """Return how many floats the factors of so many channels take."""
    return prod((2 if rounding_of(layer) == "real" else code_scaling.SIZE, size))
