"""Lower integer layers to kernel calls; their weights as the kernels read them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.conv.depthwise import depthwise_fits
from pellucid.engines.compiled.kernels.elementwise.arithmetic import Pairwise, view
from pellucid.engines.compiled.kernels.layout import NO_HALO, Halo, ImageLayout
from pellucid.engines.compiled.kernels.pool.pool import Pool
from pellucid.engines.compiled.kernels.quantized import (
    elementwise,
    means,
    ranges,
    resize,
    softmax,
    sums,
)
from pellucid.engines.compiled.kernels.quantized.code_scaling import fixed_point
from pellucid.engines.compiled.kernels.quantized.scaling import ROWS, Scaling
from pellucid.engines.compiled.kernels.tile import lanes_within
from pellucid.engines.compiled.lowering import codes
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import code_sums, conv
from pellucid.engines.compiled.lowering.layers.arithmetic import OPERATIONS
from pellucid.engines.compiled.lowering.layers.code_sums import operation_of
from pellucid.engines.compiled.lowering.parameters import Layout
from pellucid.engines.compiled.program.program_ir import BufferRef, CodedValue
from pellucid.engines.registry import unsupported_layer
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Quantized, find_entry
from pellucid.network.layers.quantized import WEIGHTED
from pellucid.network.node import Node
from pellucid.network.quantization import encode_multiplier, ten_bit_taps

Array = npt.NDArray[Any]
_TABLE = 256
_MOST = {"int8": 128, "int16": 255}  # of a weight, counted from its zero point
Lower = Callable[[LoweringContext, Node, Quantized], None]


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of a Quantized layer."""
    layer = node.layer_as(Quantized)
    find_entry(_OPERATIONS, layer.operation)(low, node, layer)


def lower_quantize(low: LoweringContext, node: Node) -> None:
    """Add the steps of Quantize."""
    layer = node.layer_as(pl.Quantize)
    x, y = low.source(node), codes.write(low, node.name, layer.output)
    is_even = layer.rounding == "even"
    spec = elementwise.Steps(
        x.map, codes.describe(y), layer.output.scale, is_even, *layer.output.limits
    )
    places = (BufferRef(x.buffer), BufferRef(y.buffer))
    low.step(elementwise.quantize, spec, *places, node=node.name)


def lower_dequantize(low: LoweringContext, node: Node) -> None:
    """Add the steps of Dequantize: a multiplication."""
    layer = node.layer_as(pl.Dequantize)
    x, y = codes.read(low, node.inputs[0], layer.input), low.output(node.name)
    spec = elementwise.Scaled(codes.describe(x), y.map, layer.input.scale)
    places = (BufferRef(x.buffer), BufferRef(y.buffer))
    low.step(elementwise.dequantize, spec, *places, node=node.name)


def lower_hybrid(low: LoweringContext, node: Node) -> None:
    """Add the steps of a Hybrid layer: integers of the input, sums, floats."""
    layer = node.layer_as(pl.Hybrid)
    operation = operation_of(layer)
    x, y = low.source(node), low.output(node.name)
    form: Any = layer.form
    has_rows = isinstance(operation, pl.Dense) and form != "uint8"
    halo = input_halo(node, x.map, y.map) or NO_HALO
    q = low.scratch(
        f"{node.name} integers", low.plain_map(node.inputs[0]).with_halo(halo)
    )
    steps = low.buffer(f"{node.name} steps", x.map.width if has_rows else 1, "image")
    low.step(
        ranges.quantize_by_range,
        ranges.Ranges(x.map, q.map, form, has_rows),
        x,
        q,
        BufferRef(steps),
        node=node.name,
    )
    sum_spec = _describe(layer, q.map, y.map)
    has_bias: bool = operation.bias  # type: ignore[attr-defined]
    scales_first = form == "asymmetric" and getattr(operation, "groups", 0) == 1
    scales = low.weight(node, "scale")
    low.step(
        sums.conv_hybrid,
        sums.HybridSums(sum_spec, has_bias, scales_first, has_rows),
        q,
        low.weight(node, "weight"),
        low.weight(node, "bias") if has_bias else scales,
        scales,
        BufferRef(steps),
        y,
        node=node.name,
        multiply_adds=layer.multiply_adds(*low.network.input_shapes(node)),
        parts=y.map.height,
    )


# -- sums of products ------------------------------------------------------------------


def input_halo(node: Node, x: ImageLayout, y: ImageLayout) -> Halo | None:
    """Return the zeros that an integer convolution reads; None for other layers."""
    layer = node.layer
    if not isinstance(layer, Quantized | pl.Hybrid):
        raise TypeError(type(layer))
    operation = operation_of(layer)
    if not isinstance(operation, pl.Conv2D):
        return None
    return conv.input_halo(conv.describe(operation, x, y))


def _describe(
    layer: Quantized | pl.Hybrid, x: ImageLayout, y: ImageLayout
) -> sums.Sums:
    operation: Any = operation_of(layer)
    has_bias, most, scaling = False, _MOST[layer.weight_dtype], None
    if isinstance(layer, Quantized):
        has_bias = operation.bias
        scaling = _scaling(layer, y)
    if isinstance(operation, pl.Dense):
        one = (1, 1)
        return sums.Sums(x, y, one, one, one, (0, 0), False, has_bias, most, scaling)
    (top, _), (left, _) = operation.pads((x.height, x.width))
    is_alone = isinstance(operation, pl.Conv2D) and depthwise_fits(
        conv.describe(operation, x, y)
    )
    return sums.Sums(
        x,
        y,
        operation.kernel,
        operation.strides,
        operation.dilations,
        (top, left),
        is_alone,
        has_bias,
        most,
        scaling,
    )


def _scaling(layer: Quantized, y: ImageLayout) -> Scaling:
    rounding = code_sums.rounding_of(layer)
    return Scaling(rounding, *layer.limits, y.padded_channels)


def _lower_sums(low: LoweringContext, node: Node, layer: Quantized) -> None:
    if code_sums.takes_codes(layer):
        code_sums.lower(low, node, layer)
        return
    x, y = low.source(node), low.output(node.name)
    spec = _describe(layer, x.map, y.map)
    is_turned = isinstance(layer.operation, pl.ConvTranspose2D)
    factors = low.weight(node, "factor")
    low.step(
        sums.conv_transpose_sums if is_turned else sums.conv_sums,
        spec,
        x,
        low.weight(node, "weight"),
        low.weight(node, "bias") if spec.has_bias else factors,
        factors,
        y,
        node=node.name,
        multiply_adds=layer.multiply_adds(*low.network.input_shapes(node)),
        parts=y.map.height,
    )


def takes_codes(layer: Layer) -> bool:
    """Return whether a layer reads codes."""
    if isinstance(layer, Quantized):
        is_sum = isinstance(layer.operation, WEIGHTED)
        return not is_sum or code_sums.takes_codes(layer)
    return isinstance(layer, pl.Dequantize)


def weight_layout(
    node: Node, role: str, maps: tuple[ImageLayout, ImageLayout], target: Target
) -> Layout:
    """Return how a weight of a Quantized layer lies, and how it is written there."""
    layer, (x, y) = node.layer, maps
    if isinstance(layer, pl.Hybrid):
        return _hybrid_layout(layer, role, x, y)
    if not isinstance(layer, Quantized):
        raise TypeError(type(layer))
    if role == "table":
        size = _table_size(layer, x) // 4  # codes, four in a float
        return _encoded(lambda array: _encode_table(layer, array), size)
    if role == "bias":
        return _encoded(
            lambda array: _bits(array, y.padded_channels), y.padded_channels
        )
    if code_sums.takes_codes(layer):
        return _code_layout(layer, role, (x, y), target)
    if role == "factor":
        rounding = code_sums.rounding_of(layer)
        return _encoded(
            lambda array: _encode_factor(array, y.padded_channels, rounding),
            ROWS * y.padded_channels,
        )
    return _weight_layout(layer, x, y)


def _code_layout(
    layer: Quantized, role: str, maps: tuple[ImageLayout, ImageLayout], target: Target
) -> Layout:
    spec, size = code_sums.describe(layer, *maps, target), maps[1].padded_channels
    if role == "weight":
        return _encoded(
            lambda array: code_sums.pack_weight(layer, array, spec), spec.size
        )
    lanes = lanes_within(size, target.lanes)
    return _encoded(
        lambda array: code_sums.pack_factor(layer, array, lanes, size),
        code_sums.factor_size(layer, size),
    )


def _hybrid_layout(
    layer: pl.Hybrid, role: str, x: ImageLayout, y: ImageLayout
) -> Layout:
    if role == "weight":
        return _weight_layout(layer, x, y)
    size = y.padded_channels
    return _encoded(lambda array: np.pad(array, (0, size - len(array))), size)


def _weight_layout(
    layer: Quantized | pl.Hybrid, x: ImageLayout, y: ImageLayout
) -> Layout:
    spec = _describe(layer, x, y)
    shape = (*spec.kernel, x.channels, y.padded_channels)
    if spec.is_depthwise:
        shape = (*spec.kernel, 1, y.padded_channels)
    groups = 1 if spec.is_depthwise else getattr(layer.operation, "groups", 1)
    return _encoded(lambda array: _encode_weight(array, shape, groups), prod(shape))


def _encode_table(layer: Quantized, array: Array) -> Array:
    """Return the outputs of each code as codes."""
    kept = np.clip(array, *layer.limits) + codes.zero_code(layer.output)
    return kept.astype(np.uint8).ravel().view(np.float32)


def _table_size(layer: Quantized, x: ImageLayout) -> int:
    (spec,) = layer.weights((x.height, x.width, x.channels))
    return prod(spec.shape)


def _encoded(encode: Callable[[Array], Array], size: int) -> Layout:
    return Layout((size,), (size,), (0,), encode)


def _bits(array: Array, size: int) -> Array:
    """Return integers of 32 bits as the floats of the same bits, zeros behind them."""
    filled = np.zeros(size, np.int32)
    filled[: len(array)] = array
    return filled.view(np.float32)


def _encode_factor(array: Array, size: int, rounding: str) -> Array:
    """Return the multipliers, then the shifts; of real factors the bits of doubles."""
    if rounding == "real":
        filled = np.zeros(size, np.float64)
        filled[: len(array)] = array
        return filled.view(np.float32)
    encoded = [encode_multiplier(float(real)) for real in array]
    return np.concatenate(
        [_bits(np.asarray(part, np.int32), size) for part in zip(*encoded, strict=True)]
    )


def _encode_weight(array: Array, shape: tuple[int, ...], groups: int) -> Array:
    """Return weights as floats."""
    filled = code_sums.spread_groups(array, shape, groups)
    return filled.astype(np.float32).ravel()


# -- other operations ------------------------------------------------------------------


def _lower_lookup(low: LoweringContext, node: Node, layer: Quantized) -> None:
    (x,), y = _ends(low, node, layer)
    is_per_channel = _table_size(layer, x.map) > _TABLE
    low.step(
        elementwise.look_up,
        elementwise.Lookup(x.map, y.map, is_per_channel),
        x,
        low.weight(node, "table"),
        y,
        node=node.name,
    )


def _ends(
    low: LoweringContext, node: Node, layer: Quantized
) -> tuple[list[CodedValue], CodedValue]:
    """Return the inputs and the output as codes."""
    inputs = [
        codes.read(low, name, step)
        for name, step in zip(node.inputs, layer.operands, strict=True)
    ]
    return inputs, codes.write(low, node.name, layer.output)


def _lower_pair(low: LoweringContext, node: Node, layer: Quantized) -> None:
    if len(node.inputs) != 2:
        raise unsupported_layer(
            "compiled", layer.who, f"it has {len(node.inputs)} inputs instead of two"
        )
    shapes = low.network.input_shapes(node)
    shape = low.network.shapes[node.name]
    inputs, y = _ends(low, node, layer)
    values = [*inputs, y]
    views = (
        view(value.map, own, shape)
        for value, own in zip(values, (*shapes, shape), strict=True)
    )
    operation = OPERATIONS[type(layer.operation)]
    pair, zeros = Pairwise(operation, shape, *views), [value.zero for value in values]
    first, second = (operand.scale for operand in layer.operands)
    out = layer.output.scale
    scales: tuple[Any, ...]
    if layer.arithmetic == "real":
        scales = (first / out, second / out)
        if operation == "multiply":
            scales = (first * second / out, 1.0)
    else:
        bits = elementwise.ADD_BITS
        twice = 2 * max(first, second)
        reals = [first / twice, second / twice, twice / (2**bits * out)]
        if operation == "multiply":
            reals = [float(np.float32(first) * np.float32(second) / np.float32(out))]
        scales = tuple(fixed_point(*encode_multiplier(r), "twice") for r in reals)
    kernels = elementwise.combine_fixed, elementwise.combine_real
    low.step(
        kernels[layer.arithmetic == "real"],
        elementwise.Pair(pair, (zeros[0], zeros[1], zeros[2]), scales, *layer.limits),
        *(BufferRef(value.buffer) for value in values),
        node=node.name,
    )


def _ratio(layer: Quantized) -> float:
    return layer.operands[0].scale / layer.output.scale


def _lower_window_mean(low: LoweringContext, node: Node, layer: Quantized) -> None:
    (x,), y = _ends(low, node, layer)
    operation: Any = operation_of(layer)
    (top, _), (left, _) = operation.pads((x.map.height, x.map.width))
    pool = Pool("avg", x.map, y.map, operation.kernel, operation.strides, (top, left))
    ratio = _ratio(layer) if layer.arithmetic == "real" else 0.0
    zero_point = layer.operands[0].zero_point
    spec = means.WindowMean(pool, x.zero, y.zero, zero_point, ratio, *layer.limits)
    places = (BufferRef(x.buffer), BufferRef(y.buffer))
    low.step(means.mean_of_window, spec, *places, node=node.name, parts=y.map.height)


def _lower_image_mean(low: LoweringContext, node: Node, layer: Quantized) -> None:
    (x,), y = _ends(low, node, layer)
    factor: Any = _ratio(layer)
    if layer.arithmetic == "fixed_point":
        count = x.map.height * x.map.width
        whole, shift = encode_multiplier(factor)
        by = min(count.bit_length() - 1, 32, 31 + shift)
        factor = fixed_point((whole << by) // count, shift - by, "twice")
    spec = means.ImageMean(codes.describe(x), y.zero, factor, *layer.limits)
    places = (BufferRef(x.buffer), BufferRef(y.buffer))
    low.step(means.mean_of_image, spec, *places, node=node.name)


def _lower_softmax(low: LoweringContext, node: Node, layer: Quantized) -> None:
    (x,), y = _ends(low, node, layer)
    rounding: Any = "even"
    if layer.arithmetic == "fixed_point":
        rounding = "up" if layer.output.dtype == "uint8" else "away"
    powers = np.exp(
        -np.float32(layer.operands[0].scale) * np.arange(256, dtype=np.float32)
    )
    spec = softmax.IntegerSoftmax(
        x.map,
        y.map,
        y.zero,
        tuple(powers.tolist()),
        layer.output.scale,
        rounding,
        *layer.limits,
    )
    places = (BufferRef(x.buffer), BufferRef(y.buffer))
    low.step(softmax.softmax, spec, *places, node=node.name)


def _lower_resize(low: LoweringContext, node: Node, layer: Quantized) -> None:
    (x,), y = _ends(low, node, layer)
    operation: Any = layer.operation
    rows, columns = (
        ten_bit_taps(n, m, operation.coordinates)
        for n, m in ((x.map.height, y.map.height), (x.map.width, y.map.width))
    )
    zero_point = layer.operands[0].zero_point
    offset = x.zero - zero_point
    spec = resize.Interpolation(
        x.map, y.map, rows, columns, offset, y.zero, zero_point, *layer.limits
    )
    places = (BufferRef(x.buffer), BufferRef(y.buffer))
    low.step(resize.interpolate, spec, *places, node=node.name)


_OPERATIONS: dict[type[Layer], Lower] = {
    pl.Add: _lower_pair,
    pl.AvgPool1D: _lower_window_mean,
    pl.AvgPool2D: _lower_window_mean,
    pl.Conv1D: _lower_sums,
    pl.Conv2D: _lower_sums,
    pl.ConvTranspose2D: _lower_sums,
    pl.Dense: _lower_sums,
    pl.GlobalAvgPool1D: _lower_image_mean,
    pl.GlobalAvgPool2D: _lower_image_mean,
    pl.Multiply: _lower_pair,
    pl.Pointwise: _lower_lookup,
    pl.Rescale: _lower_lookup,
    pl.Resize: _lower_resize,
    pl.Softmax: _lower_softmax,
    pl.Subtract: _lower_pair,
}
