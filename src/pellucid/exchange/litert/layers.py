"""Write each layer as LiteRT operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.weight_packing import fold_batch_norm
from pellucid.exchange.litert import rearrange, schema
from pellucid.exchange.litert.pointwise import (
    write_clip,
    write_elu,
    write_hard_sigmoid,
    write_pointwise,
)
from pellucid.exchange.litert.write_context import ZEROS, WriteContext, strides
from pellucid.network import layers as pl
from pellucid.network.layers import Layer
from pellucid.network.layers.merge import broadcast
from pellucid.network.layers.one_dimensional import expand_weight

Array = npt.NDArray[Any]
VALID = 1


def _conv(context: WriteContext) -> int:
    layer, weight = context.layer, context.weights["weight"]
    padding, around = context.get_window()
    x = context.pad(context.inputs[0], around)
    bias, channels = context.add_bias(context.shape[2]), context.shapes[0][2]
    how = {
        "padding": padding,
        "dilation_h_factor": layer.dilations[0],
        "dilation_w_factor": layer.dilations[1],
        **strides(layer),
    }
    if layer.groups == channels > 1:
        kernel = context.add_constant("weight", weight.transpose(2, 0, 1, 3))
        how["depth_multiplier"] = layer.out_channels // channels
        return context.add_operator("DEPTHWISE_CONV_2D", x, kernel, bias, **how)
    kernel = context.add_constant("weight", weight.transpose(3, 0, 1, 2))
    return context.add_operator("CONV_2D", x, kernel, bias, **how)


def _conv_transpose(context: WriteContext) -> int:
    """LiteRT has neither groups nor dilation here: the kernel is filled with zeros."""
    layer = context.layer
    weight = _expand_kernel(context.weights["weight"], layer.dilations, layer.groups)
    kh, kw = weight.shape[:2]
    whole = tuple(
        (n - 1) * s + k
        for n, s, k in zip(context.shapes[0][:2], layer.strides, (kh, kw), strict=True)
    )
    ((top, _), (left, _)) = layer.pads((context.shapes[0][0], context.shapes[0][1]))
    size = tuple(
        max(n, begin + m)
        for n, begin, m in zip(whole, (top, left), context.shape[:2], strict=True)
    )
    if size != whole:
        raise context.make_error("output_padding must not go beyond the kernel")
    is_cropped = whole != context.shape[:2]
    shape = (*whole, context.shape[2])
    made = context.add_operator(
        "TRANSPOSE_CONV",
        context.add_constant("output_shape", [1, *shape]),
        context.add_constant("weight", weight.transpose(3, 0, 1, 2)),
        context.inputs[0],
        context.add_bias(context.shape[2]),
        part="whole" if is_cropped else "",
        shape=shape,
        padding=VALID,
        **strides(layer),
    )
    if is_cropped:
        begin = context.add_constant("begin", [0, top, left, 0])
        made = context.add_operator(
            "SLICE", made, begin, context.add_constant("size", [-1, *context.shape])
        )
    return made


def _expand_kernel(weight: Array, dilations: tuple[int, int], groups: int) -> Array:
    """Return (kh, kw, in, out) with the zeros that groups and dilation stand for."""
    kh, kw, per_in, out = weight.shape
    extent = [d * (k - 1) + 1 for d, k in zip(dilations, (kh, kw), strict=True)]
    wide = np.zeros((*extent, per_in * groups, out), weight.dtype)
    for g in range(groups):
        ins = slice(g * per_in, (g + 1) * per_in)
        outs = slice(g * out // groups, (g + 1) * out // groups)
        wide[:: dilations[0], :: dilations[1], ins, outs] = weight[..., outs]
    return wide


def _dense(context: WriteContext) -> int:
    weight = context.add_constant("weight", context.weights["weight"].T)
    bias = context.add_bias(context.shape[-1])
    keep = len(context.shape) > 1
    return context.add_operator(
        "FULLY_CONNECTED", context.inputs[0], weight, bias, keep_num_dims=keep
    )


def _pool(kind: str) -> Callable[[WriteContext], int]:
    def write(context: WriteContext) -> int:
        layer = context.layer
        padding, around = context.get_window()
        if around != ZEROS and kind == "AVERAGE_POOL_2D":
            raise context.make_error(f"padding must be 'valid' or 'same'; got {around}")
        x = context.pad(context.inputs[0], around, lowest=True)
        height, width = layer.kernel
        sizes = {"filter_height": height, "filter_width": width, **strides(layer)}
        return context.add_operator(kind, x, padding=padding, **sizes)

    return write


def _global_avg_pool(context: WriteContext) -> int:
    axes = context.add_constant("axes", [1, 2])
    return context.add_operator("MEAN", context.inputs[0], axes, keep_dims=False)


def _batch_norm(context: WriteContext) -> int:
    """One that nothing takes in: a depthwise convolution of 1 × 1, which is exact."""
    scale, shift = fold_batch_norm(context.weights, context.layer.epsilon)
    channels, x = context.shape[-1], context.inputs[0]
    is_image = len(context.shape) == 3
    image = context.shape if is_image else (1, prod(context.shape[:-1]), channels)
    if not is_image:
        x = _reshape(context, x, [-1, *image], part="as_image", shape=image)
    made = context.add_operator(
        "DEPTHWISE_CONV_2D",
        x,
        context.add_constant("scale", scale.reshape(1, 1, 1, channels)),
        context.add_constant("shift", shift),
        part="" if is_image else "image",
        shape=image,
        padding=VALID,
        stride_h=1,
        stride_w=1,
        dilation_h_factor=1,
        dilation_w_factor=1,
        depth_multiplier=1,
    )
    return made if is_image else _reshape(context, made, [-1, *context.shape])


def _reshape(context: WriteContext, x: int, to: list[int], **part: Any) -> int:
    return context.add_operator(
        "RESHAPE", x, context.add_constant("shape", to), new_shape=to, **part
    )


def _layer_norm(context: WriteContext) -> int:
    (x,), row = context.inputs, (*context.shape[:-1], 1)
    axes = context.add_constant("axes", [len(context.shape)])
    epsilon = context.add_constant("epsilon", np.asarray(context.layer.epsilon))
    mean = context.add_operator("MEAN", x, axes, part="mean", shape=row, keep_dims=True)
    square = context.add_operator("SQUARED_DIFFERENCE", x, mean, part="square")
    spread = context.add_operator(
        "MEAN", square, axes, part="variance", shape=row, keep_dims=True
    )
    spread = context.add_operator("ADD", spread, epsilon, part="stable", shape=row)
    inverse = context.add_operator("RSQRT", spread, part="inverse", shape=row)
    centred = context.add_operator("SUB", x, mean, part="centred")
    unit = context.add_operator("MUL", centred, inverse, part="unit")
    scale = context.add_constant("scale", context.weights["scale"])
    scaled = context.add_operator("MUL", unit, scale, part="scaled")
    offset = context.add_constant("offset", context.weights["offset"])
    return context.add_operator("ADD", scaled, offset)


def _local_response_norm(context: WriteContext) -> int:
    """LiteRT's alpha is not divided by the size."""
    layer = context.layer
    return context.add_operator(
        "LOCAL_RESPONSE_NORMALIZATION",
        context.inputs[0],
        radius=layer.reach(context.shape[-1]),
        bias=layer.bias,
        alpha=layer.alpha / layer.size,
        beta=layer.beta,
    )


def _global_max_pool(context: WriteContext) -> int:
    height, width, channels = context.shapes[0]
    made = context.add_operator(
        "MAX_POOL_2D",
        context.inputs[0],
        part="image",
        shape=(1, 1, channels),
        padding=VALID,
        filter_height=height,
        filter_width=width,
        stride_h=1,
        stride_w=1,
    )
    return _reshape(context, made, [-1, channels])


def _prelu(context: WriteContext) -> int:
    slope = context.weights["slope"]
    shape = (*(1,) * (len(context.shape) - 1), len(slope))
    wide = np.broadcast_to(slope, (context.shape[-1],)) if len(slope) == 1 else slope
    alpha = context.add_constant("slope", wide.reshape(*shape[:-1], -1))
    return context.add_operator("PRELU", context.inputs[0], alpha)


def _rescale(context: WriteContext) -> int:
    scale, offset = (
        context.add_constant(role, np.asarray(numbers))
        for role, numbers in zip(
            ("scale", "offset"),
            context.layer.constants(context.shape[-1]),
            strict=True,
        )
    )
    scaled = context.add_operator("MUL", context.inputs[0], scale, part="scaled")
    return context.add_operator("ADD", scaled, offset)


def _l2_normalize(context: WriteContext) -> int:
    if context.layer.epsilon > 1e-6:
        raise context.make_error("epsilon must be at most 1e-6, as it is there")
    return context.add_operator("L2_NORMALIZATION", context.inputs[0])


def _group_norm(context: WriteContext) -> int:
    """The groups as an axis: (N, pixels, groups, C / groups)."""
    channels = context.shape[-1]
    groups = context.layer.groups_of(channels)
    cut = (prod(context.shape[:-1]), groups, channels // groups)
    row = (1, groups, 1)
    x = context.add_operator(
        "RESHAPE",
        context.inputs[0],
        context.add_constant("cut", [-1, *cut]),
        new_shape=[-1, *cut],
        part="groups",
        shape=cut,
    )
    axes = context.add_constant("axes", [1, 3])
    epsilon = context.add_constant("epsilon", np.asarray(context.layer.epsilon))
    add = context.add_operator
    mean = add("MEAN", x, axes, part="mean", shape=row, keep_dims=True)
    square = add("SQUARED_DIFFERENCE", x, mean, part="square", shape=cut)
    spread = add("MEAN", square, axes, part="variance", shape=row, keep_dims=True)
    spread = add("ADD", spread, epsilon, part="stable", shape=row)
    inverse = add("RSQRT", spread, part="inverse", shape=row)
    centred = add("SUB", x, mean, part="centred", shape=cut)
    unit = add("MUL", centred, inverse, part="unit", shape=cut)
    whole = _reshape(context, unit, [-1, *context.shape], part="whole")
    scale = context.add_constant("scale", context.weights["scale"])
    scaled = add("MUL", whole, scale, part="scaled")
    return add("ADD", scaled, context.add_constant("offset", context.weights["offset"]))


def _sequence(context: WriteContext) -> int:
    """Write an image of height 1: LiteRT has no layers of sequences."""
    flat, shape = context.layer.as_2d(), context.shape
    image = (1, *context.shapes[0])
    x = _reshape(context, context.inputs[0], [-1, *image], part="row", shape=image)
    is_sequence = len(shape) == 2
    inner = replace(
        context,
        layer=flat,
        names=(f"{context.names[0]}_image", *context.names),
        inputs=(x,),
        shapes=(image,),
        shape=(1, *shape) if is_sequence else shape,
        weights={r: expand_weight(r, w) for r, w in context.weights.items()},
        activation="NONE",
        node=context.names[0],
    )
    made = WRITERS[type(flat)](inner)
    return _reshape(context, made, [-1, *shape]) if is_sequence else made


def _silu(context: WriteContext) -> int:
    gate = context.add_operator("LOGISTIC", context.inputs[0], part="sigmoid")
    return context.add_operator("MUL", context.inputs[0], gate)


def _arithmetic(kind: str) -> Callable[[WriteContext], int]:
    def write(context: WriteContext) -> int:
        rank = max(map(len, context.shapes))
        made, shape = _align(context, 0, rank), context.shapes[0]
        for i in range(1, len(context.inputs)):
            other, is_last = _align(context, i, rank), i == len(context.inputs) - 1
            shape = broadcast(context.layer.who, shape, context.shapes[i])
            made = context.add_operator(
                kind,
                made,
                other,
                part="" if is_last else f"part_{i - 1}",
                shape=(1,) * (rank - len(shape)) + shape,
            )
        return made

    return write


def _matmul(context: WriteContext) -> int:
    layer, rank = context.layer, max(map(len, context.shapes))
    a, b = (_align(context, i, rank) for i in range(2))
    if layer.scale != 1:
        factor = context.add_constant("scale", np.asarray(layer.scale))
        shape = (1,) * (rank - len(context.shapes[0])) + context.shapes[0]
        a = context.add_operator("MUL", a, factor, part="scaled", shape=shape)
    return context.add_operator(
        "BATCH_MATMUL", a, b, adj_x=layer.transpose_a, adj_y=layer.transpose_b
    )


def _parameter(context: WriteContext) -> int:
    """Stretch the array to as many examples as the input has."""
    add, constant = context.add_operator, context.add_constant
    (x,), whole = context.inputs, schema.TYPE_NUMBERS["int32"]
    sizes = context.add_integers("SHAPE", x, part="sizes", out_type=whole)
    begin, end, step = (constant(f"count_{i}", [n]) for i, n in enumerate((0, 1, 1)))
    count = context.add_integers("STRIDED_SLICE", sizes, begin, end, step, part="count")
    rest = constant("shape", list(context.shape))
    shape = context.add_integers("CONCATENATION", count, rest, part="shape", axis=0)
    value = constant("value", context.weights["value"][None])
    return add("BROADCAST_TO", value, shape)


def _align(context: WriteContext, i: int, rank: int) -> int:
    """Insert axes of length 1 behind the batch: LiteRT would align it otherwise."""
    x, own = context.inputs[i], context.shapes[i]
    if len(own) == rank:
        return x
    shape = (1,) * (rank - len(own)) + own
    return context.add_operator(
        "RESHAPE",
        x,
        context.add_constant(f"shape_{i}", [-1, *shape]),
        new_shape=[-1, *shape],
        part=f"input_{i}",
        shape=shape,
    )


def _pad(context: WriteContext) -> int:
    paddings = [[0, 0], *map(list, context.layer.sides), [0, 0]]
    return context.add_operator(
        "PAD", context.inputs[0], context.add_constant("paddings", paddings)
    )


def _upsample(context: WriteContext) -> int:
    size = context.add_constant("size", list(context.shape[:2]))
    if context.layer.mode == "nearest":
        return context.add_operator("RESIZE_NEAREST_NEIGHBOR", context.inputs[0], size)
    return context.add_operator(
        "RESIZE_BILINEAR", context.inputs[0], size, half_pixel_centers=True
    )


#: what LiteRT's flags (align_corners, half_pixel_centers) mean
_FLAGS = {
    ("bilinear", "align_corners"): (True, False),
    ("bilinear", "asymmetric"): (False, False),
    ("bilinear", "half_pixel"): (False, True),
    ("nearest", "asymmetric", "floor"): (False, False),
    ("nearest", "half_pixel", "round_prefer_ceil"): (False, True),
}


def _resize(context: WriteContext) -> int:
    layer, shape = context.layer, context.shapes[0]
    rule = (layer.mode, layer.coordinates)
    rule += (layer.rounding,) if layer.mode == "nearest" else ()
    sizes = (n * s for n, s in zip(shape, layer.factors(shape), strict=False))
    if rule not in _FLAGS or tuple(sizes) != context.shape[:2]:
        raise context.make_error(f"there is no rule {', '.join(rule)}")
    align, half = _FLAGS[rule]
    kinds = {"bilinear": "RESIZE_BILINEAR", "nearest": "RESIZE_NEAREST_NEIGHBOR"}
    return context.add_operator(
        kinds[layer.mode],
        context.inputs[0],
        context.add_constant("size", list(context.shape[:2])),
        align_corners=align,
        half_pixel_centers=half,
    )


def _direct(kind: str, **options: Any) -> Callable[[WriteContext], int]:
    return lambda context: context.add_operator(kind, *context.inputs, **options)


WRITERS: dict[type[Layer], Callable[[WriteContext], int]] = {
    pl.Add: _arithmetic("ADD"),
    pl.AvgPool2D: _pool("AVERAGE_POOL_2D"),
    pl.BatchNorm: _batch_norm,
    pl.Rearrangement: rearrange.write,
    pl.Clip: write_clip,
    pl.Concat: lambda context: context.add_operator(
        "CONCATENATION",
        *context.inputs,
        axis=1 + context.layer.resolved_axis(len(context.shape)),
    ),
    pl.Conv2D: _conv,
    pl.ConvTranspose2D: _conv_transpose,
    pl.Dense: _dense,
    pl.ELU: write_elu,
    pl.Flatten: lambda context: _reshape(
        context, context.inputs[0], [-1, prod(context.shape)]
    ),
    pl.GELU: _direct("GELU", approximate=False),
    pl.GlobalAvgPool2D: _global_avg_pool,
    pl.HardSigmoid: write_hard_sigmoid,
    pl.LayerNorm: _layer_norm,
    pl.LocalResponseNorm: _local_response_norm,
    pl.MatMul: _matmul,
    pl.MaxPool2D: _pool("MAX_POOL_2D"),
    pl.Maximum: _arithmetic("MAXIMUM"),
    pl.Multiply: _arithmetic("MUL"),
    pl.Parameter: _parameter,
    pl.Pointwise: write_pointwise,
    pl.Resize: _resize,
    pl.SiLU: _silu,
    pl.LogSoftmax: _direct("LOG_SOFTMAX"),
    pl.Softmax: _direct("SOFTMAX", beta=1.0),
    pl.Subtract: _arithmetic("SUB"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: _pad,
    pl.GlobalMaxPool2D: _global_max_pool,
    pl.PerImageNorm: _group_norm,
    pl.L2Normalize: _l2_normalize,
    pl.PReLU: _prelu,
    pl.Rescale: _rescale,
    pl.OneDimensional: _sequence,
}
