"""Write each layer as Keras layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.framework_layers import LayerCall
from pellucid.engines.framework_layers.keras import CALLS
from pellucid.exchange.errors import find_writer
from pellucid.exchange.keras import rearrange
from pellucid.exchange.keras.entry import Entry, Source
from pellucid.exchange.keras.matmul import write_matmul, write_parameter
from pellucid.exchange.keras.pointwise import write_clip, write_pointwise
from pellucid.exchange.keras.recurrent import write_recurrent
from pellucid.exchange.keras.write_context import ZEROS, WriteContext, to_lists
from pellucid.exchange.unrolled import unroll
from pellucid.network import layers as pl
from pellucid.network.layers import Input, Layer
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_SIZES = ("kernel_size", "pool_size", "strides", "dilation_rate")
#: layers after which no number is negative, so that zeros around it lose every maximum
_NOT_NEGATIVE = (pl.HardSigmoid, pl.ReLU, pl.ReLU6, pl.Sigmoid, pl.Softmax)


def build_entries(file: ModelFile) -> tuple[list[Entry], dict[str, Source]]:
    """Return Keras's layers in topological order, and where each node's value is."""
    file = unroll(file, "Keras", lambda layer: layer.reverse and layer.return_sequences)
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


def _native(context: WriteContext) -> None:
    """Write Keras's own layer, with its arrays in the order of our weights."""
    _add_native(context, _call(context), *context.weights.values())


def _call(context: WriteContext) -> LayerCall:
    return CALLS[type(context.layer)](context.layer, context.shapes[0])


def _add_native(
    context: WriteContext,
    call: LayerCall,
    *arrays: Array,
    name: str = "",
    **more: Any,
) -> None:
    """Add a layer as the table of layers has it; ``more`` are further arguments."""
    config = {key: _to_json(value) for key, value in call.arguments.items()}
    if "1D" in call.name:  # sizes of one axis are lists, too
        sizes = {key: [config[key]] for key in _SIZES if key in config}
        config |= sizes
    if call.name == "Flatten" or "1D" in call.name or "2D" in call.name:
        config["data_format"] = "channels_last"
    if arrays:
        config["trainable"] = context.layer.trainable
    context.add_layer(call.name, *arrays, name=name, **config, **more)


def _to_json(value: Any) -> Any:
    return [_to_json(item) for item in value] if isinstance(value, tuple) else value


def _check_steps(context: WriteContext, strides: Any, dilations: Any) -> None:
    if np.max(strides) > 1 and np.max(dilations) > 1:
        raise context.make_error("stride and dilation must not both be more than 1")


def _conv(context: WriteContext) -> None:
    layer, call = context.layer, _call(context)
    _check_steps(context, layer.strides, layer.dilations)
    context.add_padding(call.pads or ZEROS)
    arrays = list(context.weights.values())
    keys = ("kernel_size", "strides", "padding", "dilation_rate", "use_bias")
    last = {"filters": layer.out_channels, "groups": layer.groups}
    channels, name = context.shapes[0][2], call.name
    if layer.groups == channels > 1 and layer.strides[0] == layer.strides[1]:
        kh, kw, _, out = arrays[0].shape
        arrays[0] = arrays[0].reshape(kh, kw, channels, out // channels)
        name, last = "DepthwiseConv2D", {"depth_multiplier": out // channels}
    plain = LayerCall(name, {key: call.arguments[key] for key in keys})
    _add_native(context, plain, *arrays, **last)


def _conv_transpose(context: WriteContext) -> None:
    layer, name = context.layer, context.node.name
    if layer.groups > 1:
        raise context.make_error("groups must be 1")
    _check_steps(context, layer.strides, layer.dilations)
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
    weight, *bias = context.weights.values()
    is_cropped = crop != ZEROS
    context.add_layer(
        "Conv2DTranspose",
        weight.transpose(0, 1, 3, 2),
        *bias,
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


def _conv1d(context: WriteContext) -> None:
    layer, call = context.layer, _call(context)
    _check_steps(context, layer.stride, layer.dilation)
    if call.pads is not None:
        name, (length, channels) = f"{context.node.name}_padding", context.shapes[0]
        sides, shape = call.pads[1], (length + sum(call.pads[1]), channels)
        context.add_layer("ZeroPadding1D", name=name, shape=shape, padding=list(sides))
    _native(context)


def _pool(context: WriteContext) -> None:
    """A pool must not see zeros: its padding has a name, or they lose every maximum."""
    call = _call(context)
    if call.pads is not None:
        is_safe = isinstance(context.source, _NOT_NEGATIVE)
        if call.name != "MaxPooling2D" or not is_safe:
            sides = call.pads if "2D" in call.name else call.pads[1]
            reason = f"padding must be 'valid' or 'same'; got {sides}"
            raise context.make_error(reason)
        context.add_padding(call.pads)
    _native(context)


def _prelu(context: WriteContext) -> None:
    """Keras has an axis of length 1 where slopes are shared."""
    slope, rank = context.weights["slope"], len(context.shape)
    _add_native(context, _call(context), slope.reshape(*(1,) * (rank - 1), -1))


def _l2_normalize(context: WriteContext) -> None:
    if context.layer.epsilon > 1e-6:
        raise context.make_error("epsilon must be at most 1e-6: Keras' is 1e-12")
    _native(context)


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


#: those of Keras's own, and what is more than a layer of its
_WRITERS: dict[type[Layer], Callable[[WriteContext], None]] = {
    **{kind: _native for kind in CALLS if not issubclass(kind, pl.Rearrangement)},
    pl.AvgPool1D: _pool,
    pl.AvgPool2D: _pool,
    pl.Clip: write_clip,
    pl.Conv1D: _conv1d,
    pl.Conv2D: _conv,
    pl.ConvTranspose2D: _conv_transpose,
    pl.Recurrent: write_recurrent,
    pl.L2Normalize: _l2_normalize,
    pl.MatMul: write_matmul,
    pl.MaxPool1D: _pool,
    pl.MaxPool2D: _pool,
    pl.Parameter: write_parameter,
    pl.Pointwise: write_pointwise,
    pl.PReLU: _prelu,
    pl.Rearrangement: rearrange.write,
    pl.Resize: _resize,
}
