"""Write each layer as ONNX operators.

References
----------
ONNX operators, opset 20, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.channels_first import (
    conv_transpose_weight,
    conv_weight,
    get_row_order,
)
from pellucid.exchange.errors import export_error
from pellucid.exchange.onnx import rearrange
from pellucid.exchange.onnx.pointwise import (
    write_clip,
    write_hard_sigmoid,
    write_pointwise,
)
from pellucid.exchange.onnx.recurrent import write_recurrent
from pellucid.exchange.onnx.write_context import WriteContext
from pellucid.network import layers as pl
from pellucid.network.layers import Layer
from pellucid.network.window import Pads

Array = npt.NDArray[Any]


def _flat(pads: Pads) -> list[int]:
    """Return pads as ONNX has them: top, left, bottom, right."""
    (top, bottom), (left, right) = pads
    return [top, left, bottom, right]


def _window(context: WriteContext) -> dict[str, Any]:
    layer = context.layer
    return {
        "kernel_shape": list(layer.kernel),
        "strides": list(layer.strides),
        "pads": _flat(layer.pads((context.shape[0], context.shape[1]))),
    }


def _conv(context: WriteContext) -> str:
    weight = context.add_weight("weight", conv_weight(context.weights["weight"]))
    return context.add_operator(
        "Conv",
        context.append_bias([*context.inputs, weight]),
        dilations=list(context.layer.dilations),
        group=context.layer.groups,
        **_window(context),
    )


def _conv_transpose(context: WriteContext) -> str:
    layer, how = context.layer, _window(context)
    top, left, bottom, right = how["pads"]
    extra = [max(-bottom, 0), max(-right, 0)]
    if any(
        e >= max(s, d)
        for e, s, d in zip(extra, layer.strides, layer.dilations, strict=True)
    ):
        raise export_error(
            "ONNX", layer.who, f"output_padding must be less than stride; got {extra}"
        )
    how["pads"] = [top, left, max(bottom, 0), max(right, 0)]
    array = conv_transpose_weight(context.weights["weight"], layer.groups)
    return context.add_operator(
        "ConvTranspose",
        context.append_bias([*context.inputs, context.add_weight("weight", array)]),
        dilations=list(layer.dilations),
        group=layer.groups,
        output_padding=extra,
        **how,
    )


def _dense(context: WriteContext) -> str:
    array = context.weights["weight"]
    if context.image_shape is not None:
        array = array[get_row_order(context.image_shape)]
    weight = context.add_weight("weight", array)
    if len(context.shape) == 1:
        return context.add_operator(
            "Gemm", context.append_bias([*context.inputs, weight])
        )
    builder, name = context.builder, context.node.name
    x = (
        builder.channels_last(context.inputs[0], name)
        if context.is_image
        else context.inputs[0]
    )
    ends = "product" if context.is_image or "bias" in context.weights else ""
    y = (
        context.add_part("MatMul", [x, weight], ends)
        if ends
        else context.add_operator("MatMul", [x, weight])
    )
    if "bias" in context.weights:
        inputs = [y, context.add_weight("bias")]
        y = (
            context.add_part("Add", inputs, "sum")
            if context.is_image
            else context.add_operator("Add", inputs)
        )
    return builder.channels_first(y, name) if context.is_image else y


def _flatten(context: WriteContext) -> str:
    if context.is_image and context.image_shape is None and context.shape[:2] != (1, 1):
        x = context.builder.channels_last(context.inputs[0], context.node.name)
        return context.add_operator("Flatten", [x], axis=1)
    return context.add_operator("Flatten", axis=1)


def _batch_norm(context: WriteContext) -> str:
    roles = ("scale", "offset", "running_mean", "running_variance")
    weights = [context.add_weight(role) for role in roles]
    how = {"epsilon": context.layer.epsilon, "momentum": context.layer.momentum}
    if len(context.shape) != 2:
        return context.add_operator(
            "BatchNormalization", [*context.inputs, *weights], **how
        )
    swapped = context.add_part(
        "Transpose", context.inputs, "channels_first", perm=[0, 2, 1]
    )
    y = context.add_part("BatchNormalization", [swapped, *weights], "normalized", **how)
    return context.add_operator("Transpose", [y], perm=[0, 2, 1])


def _layer_norm(context: WriteContext) -> str:
    builder, name = context.builder, context.node.name
    weights = [context.add_weight("scale"), context.add_weight("offset")]
    how = {"axis": -1, "epsilon": context.layer.epsilon}
    if not context.is_image:
        return context.add_operator(
            "LayerNormalization", [*context.inputs, *weights], **how
        )
    x = builder.channels_last(context.inputs[0], name)
    y = context.add_part("LayerNormalization", [x, *weights], "normalized", **how)
    return builder.channels_first(y, name)


def _local_response_norm(context: WriteContext) -> str:
    layer = context.layer
    how = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.bias}
    return context.add_operator("LRN", size=layer.size, **how)


def _avg_pool(context: WriteContext) -> str:
    return context.add_operator("AveragePool", count_include_pad=0, **_window(context))


def _global_avg_pool(context: WriteContext) -> str:
    image = context.add_part("GlobalAveragePool", context.inputs, "image")
    return context.add_operator("Flatten", [image], axis=1)


def _dropout(context: WriteContext) -> str:
    ratio = np.asarray(context.layer.rate, np.float32)
    return context.add_operator(
        "Dropout",
        [
            *context.inputs,
            context.builder.constant(f"{context.node.name}.ratio", ratio),
        ],
    )


def _zero_pad(context: WriteContext) -> str:
    top, left, bottom, right = _flat(context.layer.sides)
    sides = np.asarray([0, 0, top, left, 0, 0, bottom, right], np.int64)
    pads = context.builder.constant(f"{context.node.name}.pads", sides)
    return context.add_operator("Pad", [*context.inputs, pads])


def _upsample(context: WriteContext) -> str:
    factors = np.asarray([1, 1, *context.layer.factors], np.float32)
    scales = context.builder.constant(f"{context.node.name}.scales", factors)
    how = {
        "nearest": {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        "bilinear": {
            "mode": "linear",
            "coordinate_transformation_mode": "half_pixel",
        },
    }[context.layer.mode]
    return context.add_operator("Resize", [*context.inputs, "", scales], **how)


def _arithmetic(operator: str) -> Callable[[WriteContext], str]:
    def write(context: WriteContext) -> str:
        rank = max(map(len, context.shapes))
        first, *others = (_align(context, i, rank) for i in range(len(context.inputs)))
        for i, other in enumerate(others[:-1], start=2):
            first = context.add_part(operator, [first, other], f"of_{i}")
        return context.add_operator(operator, [first, others[-1]])

    return write


def _matmul(context: WriteContext) -> str:
    """Multiply with images brought to (N, H, W, C)."""
    layer, builder, name = context.layer, context.builder, context.node.name
    rank, sides = max(map(len, context.shapes)), []
    flags = (layer.transpose_a, layer.transpose_b)
    for i, (x, shape, flag) in enumerate(
        zip(context.inputs, context.shapes, flags, strict=True)
    ):
        own = len(shape)
        order = [0, *((2, 3, 1) if own == 3 else range(1, own + 1))]
        if flag:
            order[-2:] = order[-1], order[-2]
        if order != sorted(order):
            x = context.add_part("Transpose", [x], f"side_{i}", perm=order)
        if own < rank:
            axes = context.add_numbers(f"axes_{i}", range(1, 1 + rank - own))
            x = context.add_part("Unsqueeze", [x, axes], f"input_{i}")
        sides.append(x)
    if layer.scale != 1:
        factor = context.add_weight("scale", np.asarray(layer.scale, np.float32))
        sides[0] = context.add_part("Mul", [sides[0], factor], "scaled")
    if rank != 3:
        return context.add_operator("MatMul", sides)
    return builder.channels_first(context.add_part("MatMul", sides, "product"), name)


def _parameter(context: WriteContext) -> str:
    """Stretch the array to as many examples as the input has."""
    value = context.weights["value"]
    value = value.transpose(2, 0, 1) if value.ndim == 3 else value
    count = context.add_part("Shape", context.inputs, "count", start=0, end=1)
    rest = context.add_numbers("shape", value.shape)
    shape = context.add_part("Concat", [count, rest], "whole", axis=0)
    return context.add_operator("Expand", [context.add_weight("value", value), shape])


def _align(context: WriteContext, i: int, rank: int) -> str:
    """Insert axes of length 1 behind the batch, channels where images have them."""
    x, own = context.inputs[i], len(context.shapes[i])
    if own == rank:
        return x
    if own == 3:
        x = context.builder.channels_last(x, f"{context.node.name}.input_{i}")
    new = list(range(1, 1 + rank - own))
    if rank == 3:
        if own == 2:  # (N, W, C) → (N, C, W)
            x = context.add_part("Transpose", [x], f"input_{i}_first", perm=[0, 2, 1])
        new = [2, 3] if own == 1 else [2]
    axes = context.builder.constant(
        f"{context.node.name}.axes_{i}", np.asarray(new, np.int64)
    )
    return context.add_part("Unsqueeze", [x, axes], f"input_{i}")


def _add(context: WriteContext) -> str:
    if len(context.inputs) > 2 and len(set(context.shapes)) == 1:
        return context.add_operator("Sum")
    return _arithmetic("Add")(context)


def _global_max_pool(context: WriteContext) -> str:
    image = context.add_part("GlobalMaxPool", context.inputs, "image")
    return context.add_operator("Flatten", [image], axis=1)


def _per_channel(context: WriteContext, array: Array) -> Array:
    """Return (C,) or (1,) as it is broadcast along the channels."""
    return array.reshape(-1, 1, 1) if context.is_image else array


def _prelu(context: WriteContext) -> str:
    slope = _per_channel(context, context.weights["slope"])
    inputs = [*context.inputs, context.add_weight("slope", slope)]
    return context.add_operator("PRelu", inputs)


def _rescale(context: WriteContext) -> str:
    scale, offset = (
        _per_channel(context, np.asarray(numbers, np.float32))
        for numbers in context.layer.constants(context.shape[-1])
    )
    factor = context.add_weight("scale", scale)
    product = context.add_part("Mul", [*context.inputs, factor], "scaled")
    return context.add_operator("Add", [product, context.add_weight("offset", offset)])


def _l2_normalize(context: WriteContext) -> str:
    if context.layer.epsilon > 1e-6:
        reason = "epsilon must be at most 1e-6: LpNormalization has none"
        raise export_error("ONNX", context.layer.who, reason)
    return context.add_operator("LpNormalization", axis=_channel_axis(context), p=2)


def _group_norm(context: WriteContext) -> str:
    """In opset 21; values without an image's axes are brought to (N, C, …)."""
    rank, layer = len(context.shape), context.layer
    if rank > 3:
        raise export_error("ONNX", layer.who, "values must have 3 axes at most")
    weights = [context.add_weight("scale"), context.add_weight("offset")]
    groups = layer.groups_of(context.shape[-1])
    how = {"epsilon": layer.epsilon, "num_groups": groups}
    (x,) = context.inputs
    if rank == 3:
        return context.add_operator("GroupNormalization", [x, *weights], **how)
    if rank == 2:
        x = context.add_part("Transpose", [x], "channels_first", perm=[0, 2, 1])
    else:
        x = context.add_part("Unsqueeze", [x, context.add_numbers("axis", [2])], "row")
    y = context.add_part("GroupNormalization", [x, *weights], "normalized", **how)
    if rank == 2:
        return context.add_operator("Transpose", [y], perm=[0, 2, 1])
    return context.add_operator("Squeeze", [y, context.add_numbers("axis", [2])])


def _sequence(
    write: Callable[[WriteContext, str], str],
) -> Callable[[WriteContext], str]:
    """Bring a sequence to (N, C, L), as ONNX has it, and what is written back."""

    def around(context: WriteContext) -> str:
        x = context.add_part("Transpose", context.inputs, "first", perm=[0, 2, 1])
        y = write(context, x)
        return context.add_operator("Transpose", [y], perm=[0, 2, 1])

    return around


def _window_1d(context: WriteContext) -> dict[str, Any]:
    layer = context.layer
    return {
        "kernel_shape": [layer.kernel_size],
        "strides": [layer.stride],
        "pads": list(layer.sides(context.shape[0])),
    }


def _conv1d(context: WriteContext, x: str) -> str:
    array = context.weights["weight"].transpose(2, 1, 0)
    return context.add_part(
        "Conv",
        context.append_bias([x, context.add_weight("weight", array)]),
        "convolved",
        dilations=[context.layer.dilation],
        group=context.layer.groups,
        **_window_1d(context),
    )


def _max_pool1d(context: WriteContext, x: str) -> str:
    return context.add_part("MaxPool", [x], "pooled", **_window_1d(context))


def _avg_pool1d(context: WriteContext, x: str) -> str:
    how = {"count_include_pad": 0, **_window_1d(context)}
    return context.add_part("AveragePool", [x], "pooled", **how)


def _global_avg_pool1d(context: WriteContext) -> str:
    axes = context.add_numbers("axes", [1])
    return context.add_operator("ReduceMean", [*context.inputs, axes], keepdims=0)


def _resize(context: WriteContext) -> str:
    layer, (height, width, _) = context.layer, context.layer.output_shape(context.shape)
    how = {
        "mode": {"bilinear": "linear", "bicubic": "cubic"}.get(layer.mode, "nearest"),
        "coordinate_transformation_mode": layer.coordinates,
        "nearest_mode": layer.rounding,
    }
    if layer.mode == "bicubic":
        how["cubic_coeff_a"] = layer.cubic
    if layer.size is not None:
        sizes = context.add_numbers("sizes", (height, width))
        given = [*context.inputs, "", "", sizes]
    else:
        scales = np.asarray(layer.scale, np.float32)
        name = context.builder.constant(f"{context.node.name}.scales", scales)
        given = [*context.inputs, "", name]
    return context.add_operator("Resize", given, axes=[2, 3], **how)


def _silu(context: WriteContext) -> str:
    gate = context.add_part("Sigmoid", context.inputs, "gate")
    return context.add_operator("Mul", [context.inputs[0], gate])


def _channel_axis(context: WriteContext) -> int:
    return 1 if context.is_image else -1


WRITERS: dict[type[Layer], Callable[[WriteContext], str]] = {
    pl.Add: _add,
    pl.AvgPool2D: _avg_pool,
    pl.BatchNorm: _batch_norm,
    pl.ChannelShuffle: rearrange.channel_shuffle,
    pl.Clip: write_clip,
    pl.Concat: rearrange.concat,
    pl.Conv2D: _conv,
    pl.ConvTranspose2D: _conv_transpose,
    pl.Crop2D: rearrange.slice_,
    pl.Dense: _dense,
    pl.DepthToSpace: rearrange.depth_to_space,
    pl.Dropout: _dropout,
    pl.Flatten: _flatten,
    pl.GELU: lambda context: context.add_operator("Gelu"),
    pl.Recurrent: write_recurrent,
    pl.GlobalAvgPool2D: _global_avg_pool,
    pl.HardSigmoid: write_hard_sigmoid,
    pl.LayerNorm: _layer_norm,
    pl.LocalResponseNorm: _local_response_norm,
    pl.MatMul: _matmul,
    pl.MaxPool2D: lambda context: context.add_operator("MaxPool", **_window(context)),
    pl.Maximum: _arithmetic("Max"),
    pl.Multiply: _arithmetic("Mul"),
    pl.PadChannels: rearrange.pad_channels,
    pl.Parameter: _parameter,
    pl.Permute: rearrange.permute,
    pl.Pointwise: write_pointwise,
    pl.ReLU6: write_clip,
    pl.Reshape: rearrange.reshape,
    pl.Resize: _resize,
    pl.SiLU: _silu,
    pl.Slice: rearrange.slice_,
    pl.LogSoftmax: lambda context: context.add_operator(
        "LogSoftmax", axis=_channel_axis(context)
    ),
    pl.Softmax: lambda context: context.add_operator(
        "Softmax", axis=_channel_axis(context)
    ),
    pl.SpaceToDepth: rearrange.space_to_depth,
    pl.Subtract: _arithmetic("Sub"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: _zero_pad,
    pl.GlobalMaxPool2D: _global_max_pool,
    pl.PerImageNorm: _group_norm,
    pl.L2Normalize: _l2_normalize,
    pl.PReLU: _prelu,
    pl.Rescale: _rescale,
    pl.AvgPool1D: _sequence(_avg_pool1d),
    pl.Conv1D: _sequence(_conv1d),
    pl.GlobalAvgPool1D: _global_avg_pool1d,
    pl.MaxPool1D: _sequence(_max_pool1d),
}
