"""Keras' layer for each layer: class, arguments, defaults.

Images, convolutions and dense weights lie in Keras as they do here. The kernel of
`Conv2DTranspose` is (kh, kw, out / groups, in); pellucid's is (kh, kw, in / groups,
out).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from pellucid.engines.framework_layers.call import LayerCall
from pellucid.network import layers as pl
from pellucid.network import window
from pellucid.network.layers import Layer, Shape
from pellucid.network.window import Pads

_ONE = (1, 1)
_NONE: Pads = ((0, 0), (0, 0))
_WINDOW = {
    "strides": _ONE,
    "dilation_rate": _ONE,
    "groups": 1,
    "use_bias": True,
    "padding": "valid",
}


def padding_name(layer: Any, shape: Shape) -> str | None:
    """Return Keras' name of a window's padding; None: it has none.

    Numbers often come to one of the names. Explicit zero padding is another pass over
    memory.
    """
    size = shape[0], shape[1]
    pads = layer.pads(size)
    if pads == _NONE:
        return "valid"
    dilations = getattr(layer, "dilations", _ONE)
    same = window.pads("same", size, layer.kernel, layer.strides, dilations)
    return "same" if pads == same else None


def _conv2d(layer: pl.Conv2D, shape: Shape) -> LayerCall:
    padding = padding_name(layer, shape)
    arguments = {
        "filters": layer.out_channels,
        "kernel_size": layer.kernel,
        "strides": layer.strides,
        "dilation_rate": layer.dilations,
        "groups": layer.groups,
        "use_bias": layer.bias,
        "padding": padding or "valid",
    }
    pads = layer.pads((shape[0], shape[1])) if padding is None else None
    return LayerCall("Conv2D", arguments, 2, _WINDOW, pads)


def _padding_1d(layer: Any, shape: Shape) -> tuple[str, tuple[int, int] | None]:
    """Return Keras' name of a sequence's padding, or the zeros that it has none for."""
    sides = layer.sides(shape[0])
    if sides == (0, 0):
        return "valid", None
    same = dataclasses.replace(layer, padding="same").sides(shape[0])
    return ("same", None) if sides == same else ("valid", sides)


def _conv1d(layer: pl.Conv1D, shape: Shape) -> LayerCall:
    padding, sides = _padding_1d(layer, shape)
    arguments = {
        "filters": layer.out_channels,
        "kernel_size": layer.kernel_size,
        "strides": layer.stride,
        "padding": padding,
        "dilation_rate": layer.dilation,
        "groups": layer.groups,
        "use_bias": layer.bias,
    }
    pads = None if sides is None else ((0, 0), sides)
    return LayerCall("Conv1D", arguments, 2, {}, pads)


def _pool1d(layer: pl.MaxPool1D | pl.AvgPool1D, shape: Shape) -> LayerCall:
    is_max = isinstance(layer, pl.MaxPool1D)
    padding, sides = _padding_1d(layer, shape)
    arguments = {
        "pool_size": layer.kernel_size,
        "strides": layer.stride,
        "padding": padding,
    }
    name = "MaxPooling1D" if is_max else "AveragePooling1D"
    pads = None if sides is None else ((0, 0), sides)
    return LayerCall(name, arguments, 1, {}, pads)


def _conv_transpose2d(layer: pl.ConvTranspose2D, shape: Shape) -> LayerCall:
    """``pads`` is what must be cropped from the whole output."""
    arguments = {
        "filters": layer.out_channels,
        "kernel_size": layer.kernel,
        "strides": layer.strides,
        "dilation_rate": layer.dilations,
        "use_bias": layer.bias,
    }
    pads = layer.pads((shape[0], shape[1]))
    unsaid = None if pads == _NONE else pads
    return LayerCall("Conv2DTranspose", arguments, 2, _WINDOW, unsaid)


def _pool(layer: Any, shape: Shape) -> LayerCall:
    name = "MaxPooling2D" if isinstance(layer, pl.MaxPool2D) else "AveragePooling2D"
    padding = padding_name(layer, shape)
    arguments = {
        "pool_size": layer.kernel,
        "strides": layer.strides,
        "padding": padding or "valid",
    }
    defaults = {"strides": layer.kernel, "padding": "valid"}
    pads = layer.pads((shape[0], shape[1])) if padding is None else None
    return LayerCall(name, arguments, 1, defaults, pads)


def _dense(layer: pl.Dense, shape: Shape) -> LayerCall:
    del shape
    arguments = {"units": layer.units, "use_bias": layer.bias}
    return LayerCall("Dense", arguments, 1, {"use_bias": True})


def _batch_norm(layer: pl.BatchNorm, shape: Shape) -> LayerCall:
    del shape
    sizes = {"momentum": layer.momentum, "epsilon": layer.epsilon}
    return LayerCall("BatchNormalization", {"axis": -1, **sizes}, 0, {"axis": -1})


def _layer_norm(layer: pl.LayerNorm, shape: Shape) -> LayerCall:
    del shape
    arguments = {"axis": -1, "epsilon": layer.epsilon}
    return LayerCall("LayerNormalization", arguments, 0, {"axis": -1})


def _group_norm(layer: pl.GroupNorm | pl.InstanceNorm, shape: Shape) -> LayerCall:
    groups = layer.groups_of(shape[-1])
    arguments = {"groups": groups, "axis": -1, "epsilon": layer.epsilon}
    return LayerCall("GroupNormalization", arguments, 1, {"axis": -1, "epsilon": 1e-3})


def _prelu(layer: pl.PReLU, shape: Shape) -> LayerCall:
    """Slopes are shared along all axes but the channels, or along all."""
    axes = tuple(range(1, len(shape) + 1 if layer.shared else len(shape)))
    defaults = {"shared_axes": ()}
    return LayerCall("PReLU", {"shared_axes": axes}, 0, defaults)


def _leaky_relu(layer: pl.LeakyReLU, shape: Shape) -> LayerCall:
    del shape
    return LayerCall("LeakyReLU", {"negative_slope": layer.slope})


def _upsample(layer: pl.Upsample2D, shape: Shape) -> LayerCall:
    del shape
    arguments = {"size": layer.factors, "interpolation": layer.mode}
    return LayerCall("UpSampling2D", arguments, 1, {"interpolation": "nearest"})


def _concat(layer: pl.Concat, shape: Shape) -> LayerCall:
    axis = layer.resolved_axis(len(shape))
    keras_axis = -1 if axis == len(shape) - 1 else axis + 1
    return LayerCall("Concatenate", {"axis": keras_axis}, 0, {"axis": -1})


def _reshape(layer: pl.Reshape, shape: Shape) -> LayerCall:
    return LayerCall("Reshape", {"target_shape": [*layer.output_shape(shape)]}, 1)


def _permute(layer: pl.Permute, shape: Shape) -> LayerCall:
    """Keras counts axes from 1, the batch being 0."""
    del shape
    return LayerCall("Permute", {"dims": [axis + 1 for axis in layer.axes]}, 1)


def _on_channels(name: str) -> Callable[[Any, Shape], LayerCall]:
    """Return a call of a layer along the last axis, as is Keras' default."""
    return lambda layer, shape: LayerCall(name, {"axis": -1}, 0, {"axis": -1})


def _activation(name: str) -> Callable[[Any, Shape], LayerCall]:
    return lambda layer, shape: LayerCall("Activation", {"activation": name}, 1)


def _plain(name: str, **arguments: str) -> Callable[[Any, Shape], LayerCall]:
    """Return a call whose arguments are fields of the layer."""
    return lambda layer, shape: LayerCall(
        name, {key: getattr(layer, of) for key, of in arguments.items()}, len(arguments)
    )


#: layer → its call, given the layer and its first input's shape (H, W, C)
CALLS: dict[type[Layer], Callable[[Any, Shape], LayerCall]] = {
    pl.Add: _plain("Add"),
    pl.AvgPool2D: _pool,
    pl.BatchNorm: _batch_norm,
    pl.Concat: _concat,
    pl.Conv2D: _conv2d,
    pl.ConvTranspose2D: _conv_transpose2d,
    pl.Crop2D: _plain("Cropping2D", cropping="sides"),
    pl.Dense: _dense,
    pl.Dropout: _plain("Dropout", rate="rate"),
    pl.ELU: _plain("ELU", alpha="alpha"),
    pl.Flatten: _plain("Flatten"),
    pl.GELU: _activation("gelu"),
    pl.GlobalAvgPool2D: _plain("GlobalAveragePooling2D"),
    pl.GlobalMaxPool2D: _plain("GlobalMaxPooling2D"),
    pl.GroupNorm: _group_norm,
    pl.InstanceNorm: _group_norm,
    pl.L2Normalize: _on_channels("UnitNormalization"),
    pl.HardSigmoid: _activation("hard_sigmoid"),
    pl.HardSwish: _activation("hard_silu"),
    pl.LayerNorm: _layer_norm,
    pl.LeakyReLU: _leaky_relu,
    pl.MaxPool2D: _pool,
    pl.Maximum: _plain("Maximum"),
    pl.Mish: _activation("mish"),
    pl.Multiply: _plain("Multiply"),
    pl.Permute: _permute,
    pl.PReLU: _prelu,
    pl.ReLU: _plain("ReLU"),
    pl.ReLU6: lambda layer, shape: LayerCall("ReLU", {"max_value": 6.0}),
    pl.Reshape: _reshape,
    pl.Rescale: _plain("Rescaling", scale="scale", offset="offset"),
    pl.SiLU: _activation("silu"),
    pl.Sigmoid: _activation("sigmoid"),
    pl.Softplus: _activation("softplus"),
    pl.LogSoftmax: _activation("log_softmax"),
    pl.Softmax: _on_channels("Softmax"),
    pl.Subtract: _plain("Subtract"),
    pl.Tanh: _activation("tanh"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: _plain("ZeroPadding2D", padding="sides"),
    pl.AvgPool1D: _pool1d,
    pl.Conv1D: _conv1d,
    pl.GlobalAvgPool1D: _plain("GlobalAveragePooling1D"),
    pl.MaxPool1D: _pool1d,
}
