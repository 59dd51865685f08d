"""Write each layer as Keras layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import find_writer
from pellucid.exchange.keras import rearrange
from pellucid.exchange.keras.entry import Entry, Source
from pellucid.exchange.keras.pointwise import write_clip, write_pointwise
from pellucid.exchange.keras.write_context import ZEROS, WriteContext, to_lists
from pellucid.network import layers as pl
from pellucid.network.layers import Input, Layer
from pellucid.network.window import Pads, pads
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
#: layers after which no number is negative, so that zeros around it lose every maximum
_NOT_NEGATIVE = (pl.HardSigmoid, pl.ReLU, pl.ReLU6, pl.Sigmoid, pl.Softmax)


def build_entries(file: ModelFile) -> tuple[list[Entry], dict[str, Source]]:
    """Return Keras's layers in topological order, and where each node's value is."""
    network, entries = file.network, list[Entry]()
    values: dict[str, Source] = {}
    holders: dict[str, Entry] = {}
    for node in network.nodes:
        if isinstance(node.layer, Input):
            shape = [None, *node.layer.shape]
            config = {"batch_shape": shape, "dtype": "float32"}
            entry = Entry(kind="InputLayer", name=node.name, config=config)
            entry.shapes.append(node.layer.shape)
            entries.append(entry)
            values[node.name] = Source(node.name)
            continue
        shapes = network.input_shapes(node)
        context = WriteContext(
            node=node,
            layer=node.layer,
            inputs=tuple(values[source] for source in node.inputs),
            shapes=shapes,
            shape=network.shapes[node.name],
            weights={
                spec.role: np.asarray(file.weights[f"{node.owner}.{spec.role}"])
                for spec in node.layer.weights(*shapes)
            },
            source=network.node(node.inputs[0]).layer,
            entries=entries,
            holders=holders,
        )
        find_writer(_WRITERS, node.layer, "Keras")(context)
        values[node.name] = context.inputs[0]
    return entries, values


def _get_padding(context: WriteContext) -> tuple[str, Pads]:
    """Return Keras's padding, and the zeros that must be put around before."""
    layer, size = context.layer, (context.shapes[0][0], context.shapes[0][1])
    around = layer.pads(size)
    dilation = getattr(layer, "dilations", (1, 1))
    if around == ZEROS:
        return "valid", ZEROS
    if around == pads("same", size, layer.kernel, layer.strides, dilation):
        return "same", ZEROS
    return "valid", around


def _append_bias(context: WriteContext, weight: Array) -> list[Array]:
    return [weight, context.weights["bias"]] if "bias" in context.weights else [weight]


def _conv(context: WriteContext) -> None:
    layer = context.layer
    if max(layer.strides) > 1 and max(layer.dilations) > 1:
        raise context.make_error("stride and dilation must not both be more than 1")
    padding, around = _get_padding(context)
    context.add_padding(around)
    how = {
        "kernel_size": list(layer.kernel),
        "strides": list(layer.strides),
        "padding": padding,
        "dilation_rate": list(layer.dilations),
        "use_bias": layer.bias,
        "data_format": "channels_last",
        "trainable": layer.trainable,
    }
    channels, weight = context.shapes[0][2], context.weights["weight"]
    is_square = layer.strides[0] == layer.strides[1]
    if layer.groups == channels > 1 and is_square:
        kh, kw, _, out = weight.shape
        kernel = weight.reshape(kh, kw, channels, out // channels)
        more = {"depth_multiplier": out // channels}
        context.add_layer(
            "DepthwiseConv2D", *_append_bias(context, kernel), **how, **more
        )
        return
    more = {"filters": layer.out_channels, "groups": layer.groups}
    context.add_layer("Conv2D", *_append_bias(context, weight), **how, **more)


def _conv_transpose(context: WriteContext) -> None:
    layer, name = context.layer, context.node.name
    if layer.groups > 1:
        raise context.make_error("groups must be 1")
    if max(layer.strides) > 1 and max(layer.dilations) > 1:
        raise context.make_error("stride and dilation must not both be more than 1")
    whole = [
        n * s + max(d * (k - 1) + 1 - s, 0)
        for n, s, k, d in zip(
            context.shapes[0],
            layer.strides,
            layer.kernel,
            layer.dilations,
            strict=False,
        )
    ]
    (top, _), (left, _) = layer.pads((context.shapes[0][0], context.shapes[0][1]))
    bottom, right = (
        whole[0] - top - context.shape[0],
        whole[1] - left - context.shape[1],
    )
    if min(bottom, right) < 0:
        raise context.make_error("output_padding must not go beyond the kernel")
    crop = ((top, bottom), (left, right))
    kernel = context.weights["weight"].transpose(0, 1, 3, 2)
    is_cropped = crop != ZEROS
    context.add_layer(
        "Conv2DTranspose",
        *_append_bias(context, kernel),
        name=f"{name}_whole" if is_cropped else name,
        shape=(*whole, layer.out_channels),
        filters=layer.out_channels,
        kernel_size=list(layer.kernel),
        strides=list(layer.strides),
        padding="valid",
        dilation_rate=list(layer.dilations),
        use_bias=layer.bias,
        data_format="channels_last",
        trainable=layer.trainable,
    )
    if is_cropped:
        context.add_layer(
            "Cropping2D", cropping=to_lists(crop), data_format="channels_last"
        )


def _dense(context: WriteContext) -> None:
    context.add_layer(
        "Dense",
        *_append_bias(context, context.weights["weight"]),
        units=context.layer.units,
        use_bias=context.layer.bias,
        trainable=context.layer.trainable,
    )


def _get_padding_1d(context: WriteContext) -> str:
    """Return Keras's padding of a sequence; put zeros around before where it has none.

    A pool must not see zeros: its padding has a name or is refused.
    """
    layer, length = context.layer, context.shapes[0][0]
    sides = layer.sides(length)
    if sides == (0, 0):
        return "valid"
    if sides == replace(layer, padding="same").sides(length):
        return "same"
    if not isinstance(layer, pl.Conv1D):
        raise context.make_error(f"padding must be 'valid' or 'same'; got {sides}")
    shape = (length + sum(sides), context.shapes[0][1])
    name = f"{context.node.name}_padding"
    context.add_layer("ZeroPadding1D", name=name, shape=shape, padding=list(sides))
    return "valid"


def _conv1d(context: WriteContext) -> None:
    layer = context.layer
    if layer.stride > 1 and layer.dilation > 1:
        raise context.make_error("stride and dilation must not both be more than 1")
    padding = _get_padding_1d(context)
    context.add_layer(
        "Conv1D",
        *_append_bias(context, context.weights["weight"]),
        filters=layer.out_channels,
        kernel_size=[layer.kernel_size],
        strides=[layer.stride],
        padding=padding,
        dilation_rate=[layer.dilation],
        groups=layer.groups,
        use_bias=layer.bias,
        data_format="channels_last",
        trainable=layer.trainable,
    )


def _pool1d(kind: str) -> Callable[[WriteContext], None]:
    return lambda context: context.add_layer(
        kind,
        pool_size=[context.layer.kernel_size],
        strides=[context.layer.stride],
        padding=_get_padding_1d(context),
        data_format="channels_last",
    )


def _pool(kind: str) -> Callable[[WriteContext], None]:
    def write(context: WriteContext) -> None:
        layer = context.layer
        padding, around = _get_padding(context)
        if around != ZEROS:
            is_safe = isinstance(context.source, _NOT_NEGATIVE)
            if kind != "MaxPooling2D" or not is_safe:
                raise context.make_error(
                    f"padding must be 'valid' or 'same'; got {around}"
                )
            context.add_padding(around)
        context.add_layer(
            kind,
            pool_size=list(layer.kernel),
            strides=list(layer.strides),
            padding=padding,
            data_format="channels_last",
        )

    return write


def _batch_norm(context: WriteContext) -> None:
    layer, roles = (
        context.layer,
        ("scale", "offset", "running_mean", "running_variance"),
    )
    context.add_layer(
        "BatchNormalization",
        *(context.weights[role] for role in roles),
        axis=-1,
        momentum=layer.momentum,
        epsilon=layer.epsilon,
        trainable=layer.trainable,
    )


def _layer_norm(context: WriteContext) -> None:
    arrays = context.weights["scale"], context.weights["offset"]
    how = {"epsilon": context.layer.epsilon, "trainable": context.layer.trainable}
    context.add_layer("LayerNormalization", *arrays, axis=-1, **how)


def _prelu(context: WriteContext) -> None:
    """Keras has an axis of length 1 where slopes are shared."""
    slope, rank = context.weights["slope"], len(context.shape)
    shared = list(range(1, rank + 1 if context.layer.shared else rank))
    context.add_layer(
        "PReLU",
        slope.reshape(*(1,) * (rank - 1), -1),
        shared_axes=shared,
        trainable=context.layer.trainable,
    )


def _rescale(context: WriteContext) -> None:
    scale, offset = (
        list(value) if isinstance(value, tuple) else value
        for value in (context.layer.scale, context.layer.offset)
    )
    context.add_layer("Rescaling", scale=scale, offset=offset)


def _group_norm(context: WriteContext) -> None:
    groups = context.layer.groups_of(context.shape[-1])
    how = {"epsilon": context.layer.epsilon, "trainable": context.layer.trainable}
    arrays = context.weights["scale"], context.weights["offset"]
    context.add_layer("GroupNormalization", *arrays, groups=groups, axis=-1, **how)


def _l2_normalize(context: WriteContext) -> None:
    if context.layer.epsilon > 1e-6:
        raise context.make_error("epsilon must be at most 1e-6: Keras' is 1e-12")
    context.add_layer("UnitNormalization", axis=-1)


def _local_response_norm(context: WriteContext) -> None:
    raise context.make_error("there is no such layer")


def _resize(context: WriteContext) -> None:
    """Resizing has half-pixel centres; of nearest pixels, the lower right."""
    layer, shape = context.layer, context.shapes[0]
    is_near = layer.mode == "nearest"
    is_theirs = not is_near or layer.rounding == "round_prefer_ceil"
    sizes = tuple(n * s for n, s in zip(shape, layer.factors(shape), strict=False))
    if layer.mode == "bicubic":
        raise context.make_error("its cubic polynomials are others at the edges")
    if layer.coordinates != "half_pixel" or not is_theirs:
        raise context.make_error(f"there is no rule {layer.coordinates}")
    if sizes != context.shape[:2]:
        raise context.make_error("the size must be a whole multiple by the scale")
    context.add_layer(
        "Resizing",
        height=context.shape[0],
        width=context.shape[1],
        interpolation=layer.mode,
        data_format="channels_last",
    )


def _upsample(context: WriteContext) -> None:
    context.add_layer(
        "UpSampling2D",
        size=list(context.layer.factors),
        interpolation=context.layer.mode,
        data_format="channels_last",
    )


_WRITERS: dict[type[Layer], Callable[[WriteContext], None]] = {
    pl.Add: lambda context: context.add_layer("Add"),
    pl.AvgPool2D: _pool("AveragePooling2D"),
    pl.BatchNorm: _batch_norm,
    pl.ChannelShuffle: rearrange.write,
    pl.Clip: write_clip,
    pl.Concat: rearrange.concat,
    pl.Conv2D: _conv,
    pl.ConvTranspose2D: _conv_transpose,
    pl.Crop2D: rearrange.write,
    pl.Dense: _dense,
    pl.DepthToSpace: rearrange.write,
    pl.Dropout: lambda context: context.add_layer("Dropout", rate=context.layer.rate),
    pl.Flatten: lambda context: context.add_layer(
        "Flatten", data_format="channels_last"
    ),
    pl.GlobalAvgPool2D: lambda context: context.add_layer(
        "GlobalAveragePooling2D", data_format="channels_last"
    ),
    pl.LayerNorm: _layer_norm,
    pl.LocalResponseNorm: _local_response_norm,
    pl.MaxPool2D: _pool("MaxPooling2D"),
    pl.Maximum: lambda context: context.add_layer("Maximum"),
    pl.Multiply: lambda context: context.add_layer("Multiply"),
    pl.PadChannels: rearrange.write,
    pl.Permute: rearrange.write,
    pl.Pointwise: write_pointwise,
    pl.Reshape: rearrange.write,
    pl.Resize: _resize,
    pl.Slice: rearrange.write,
    pl.LogSoftmax: lambda context: context.add_layer(
        "Activation", activation="log_softmax"
    ),
    pl.Softmax: lambda context: context.add_layer("Softmax", axis=-1),
    pl.SpaceToDepth: rearrange.write,
    pl.Subtract: lambda context: context.add_layer("Subtract"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: lambda context: context.add_layer(
        "ZeroPadding2D",
        padding=to_lists(context.layer.sides),
        data_format="channels_last",
    ),
    pl.GlobalMaxPool2D: lambda context: context.add_layer(
        "GlobalMaxPooling2D", data_format="channels_last"
    ),
    pl.GroupNorm: _group_norm,
    pl.InstanceNorm: _group_norm,
    pl.L2Normalize: _l2_normalize,
    pl.PReLU: _prelu,
    pl.Rescale: _rescale,
    pl.AvgPool1D: _pool1d("AveragePooling1D"),
    pl.Conv1D: _conv1d,
    pl.GlobalAvgPool1D: lambda context: context.add_layer(
        "GlobalAveragePooling1D", data_format="channels_last"
    ),
    pl.MaxPool1D: _pool1d("MaxPooling1D"),
}
