"""Translate Keras layers to layers of ours that compute exactly the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.expansion import tile
from pellucid.exchange.graph.resizing import add_resize
from pellucid.exchange.graph.rows import through_image
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.keras import attention, recurrent
from pellucid.exchange.keras.operator_view import OperatorView
from pellucid.exchange.keras.pointwise import NAMES
from pellucid.network import layers as pl
from pellucid.network.composites.padding import repeat_each
from pellucid.network.expression import Expression, math
from pellucid.network.layers import Layer

Array = npt.NDArray[Any]


def activation(op: OperatorView, x: Tensor) -> Tensor:
    """Add the layer that ``activation`` names, if it names one."""
    given = op.config.get("activation")
    if isinstance(given, dict):
        given = given.get("config", {}) if given.get("module") == "builtins" else given
    if given in (None, "linear"):
        return x
    if not isinstance(given, str) or given not in NAMES:
        op.ref.refuse(f"have an activation among {', '.join(NAMES)}", repr(given))
    named = OperatorRef(given, f"{x.node}_{given}")
    if "units" not in op.config and "kernel_size" not in op.config:
        named = op.ref
    layer = NAMES[given]()
    if given == "hard_sigmoid" and op.version.startswith(("1", "2")):
        layer = pl.Elementwise(lambda x: math.clip(0.2 * x + 0.5, 0, 1))
    return op.builder.elementwise(named, x, layer)


def _input(op: OperatorView) -> Tensor:
    shape = op.get("batch_shape") or op.get("batch_input_shape")
    if shape is None or len(shape) < 2 or None in shape[1:]:
        op.ref.refuse("have a known shape (None, …)", str(shape))
    sizes = tuple(int(n) for n in shape[1:])
    axes = tuple(range(len(shape)))
    return op.builder.input(sizes, axes, name=op.ref.name)


def _sizes(op: OperatorView) -> dict[str, Any]:
    op.only(data_format="channels_last")
    return {
        "stride": op.pair("strides"),
        "padding": op.get("padding", "valid"),
        "dilation": op.pair("dilation_rate"),
    }


def _bias(op: OperatorView) -> Array | None:
    return op.array() if op.get("use_bias", True) else None


def _conv(op: OperatorView) -> Tensor:
    sizes, weight = _sizes(op), op.array()
    sizes["groups"] = op.get("groups", 1)
    return op.builder.conv(op.ref, op.inputs[0], weight, _bias(op), **sizes)


def _one(op: OperatorView, key: str, default: int = 1) -> int:
    value = op.get(key, default)
    return int(value[0] if isinstance(value, list | tuple) else value)


def _conv1d(op: OperatorView) -> Tensor:
    op.only(data_format="channels_last")
    weight, dilation = op.array(), _one(op, "dilation_rate")
    padding: Any = op.get("padding", "valid")
    if padding == "causal":
        padding = (dilation * (weight.shape[0] - 1), 0)
    return op.builder.conv1d(
        op.ref,
        op.inputs[0],
        weight,
        _bias(op),
        stride=_one(op, "strides"),
        padding=padding,
        dilation=dilation,
        groups=op.get("groups", 1),
    )


def _pool1d(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        op.only(data_format="channels_last")
        size = _one(op, "pool_size", 2)
        stride = _one(op, "strides", size)
        layer = kind(size, stride, op.get("padding", "valid"))
        return op.builder.layer(op.ref, layer, [op.inputs[0]])

    return read


def _global_average_1d(op: OperatorView) -> Tensor:
    op.only(data_format="channels_last", keepdims=False)
    return op.builder.global_average_1d(op.ref, op.inputs[0])


def _depthwise(op: OperatorView) -> Tensor:
    sizes, weight = _sizes(op), op.array()
    kh, kw, channels, multiplier = weight.shape
    sizes["groups"] = channels
    wide = weight.reshape(kh, kw, 1, channels * multiplier)
    return op.builder.conv(op.ref, op.inputs[0], wide, _bias(op), **sizes)


def _separable(op: OperatorView) -> Tensor:
    """A depthwise convolution, then one of 1 × 1."""
    sizes, depth, point = _sizes(op), op.array(), op.array()
    kh, kw, channels, multiplier = depth.shape
    wide = depth.reshape(kh, kw, 1, channels * multiplier)
    first = OperatorRef("SeparableConv2D", f"{op.ref.name}_depthwise")
    x = op.builder.conv(first, op.inputs[0], wide, None, **sizes, groups=channels)
    return op.builder.conv(op.ref, x, point, _bias(op))


def _conv_transpose(op: OperatorView) -> Tensor:
    sizes, weight = _sizes(op), op.array().transpose(0, 1, 3, 2)
    if op.config.get("output_padding") is not None:
        op.ref.refuse("have output_padding=None", str(op.get("output_padding")))
    if sizes["padding"] == "valid":
        # Keras makes n · stride rows where the kernel is smaller than the stride
        extent = [
            s - (d * (k - 1) + 1)
            for s, d, k in zip(
                sizes["stride"], sizes["dilation"], weight.shape, strict=False
            )
        ]
        sizes["output_padding"] = tuple(max(n, 0) for n in extent)
    return op.builder.conv(
        op.ref, op.inputs[0], weight, _bias(op), transposed=True, **sizes
    )


def _conv_transpose_1d(op: OperatorView) -> Tensor:
    """Conv1DTranspose: of images of height 1."""
    op.only(data_format="channels_last", output_padding=None)
    weight = op.array().transpose(0, 2, 1)[None]
    stride, dilation = _one(op, "strides"), _one(op, "dilation_rate")
    valid = op.get("padding", "valid") == "valid"
    extra = max(stride - (dilation * (weight.shape[1] - 1) + 1), 0) if valid else 0
    return through_image(
        op.builder,
        op.ref,
        op.inputs[0],
        lambda image: op.builder.conv(
            op.ref,
            image,
            weight,
            _bias(op),
            transposed=True,
            stride=(1, stride),
            dilation=(1, dilation),
            padding=op.get("padding", "valid"),
            output_padding=(0, extra),
        ),
    )


def _dense(op: OperatorView) -> Tensor:
    weight = op.array()
    return op.builder.dense(op.ref, op.inputs[0], weight, _bias(op))


def _pool(kind: Any) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        op.only(data_format="channels_last")
        kernel = op.pair("pool_size", 2)
        return op.builder.pool(
            op.ref,
            op.inputs[0],
            kind,
            kernel_size=kernel,
            stride=op.pair("strides", kernel),
            padding=op.get("padding", "valid"),
        )

    return read


def _global_average(op: OperatorView) -> Tensor:
    op.only(data_format="channels_last")
    as_image = bool(op.get("keepdims", False))
    x = op.builder.global_average(op.ref, op.inputs[0], as_image=as_image)
    return x if as_image else op.builder.vector(x)


def _batch_norm(op: OperatorView) -> Tensor:
    x = op.inputs[0]
    axis = op.get("axis", -1)
    op.builder.channels(op.ref, x, axis[0] if isinstance(axis, list) else axis)
    op.only(renorm=False)
    weights = op.scale_and_offset()
    weights |= {"running_mean": op.array(), "running_variance": op.array()}
    layer = pl.BatchNorm(
        momentum=float(op.get("momentum", 0.99)),
        epsilon=float(op.get("epsilon", 1e-3)),
    )
    return op.builder.normalization(op.ref, x, layer, weights)


def _layer_norm(op: OperatorView) -> Tensor:
    x = op.inputs[0]
    axis = op.get("axis", -1)
    op.only(rms_scaling=False)
    op.builder.channels(op.ref, x, axis[0] if isinstance(axis, list) else axis)
    layer = pl.LayerNorm(epsilon=float(op.get("epsilon", 1e-3)))
    return op.builder.normalization(op.ref, x, layer, op.scale_and_offset())


def _relu(op: OperatorView) -> Tensor:
    slope = float(np.ravel(op.get("negative_slope", 0.0))[0])
    threshold, maximum = float(op.get("threshold", 0.0)), op.config.get("max_value")
    if threshold or (slope and maximum is not None):
        layer = pl.Elementwise(lambda x: _relu_of(x, slope, threshold, maximum))
        return op.builder.elementwise(op.ref, op.inputs[0], layer)
    if maximum is not None:
        return op.builder.clip(op.ref, op.inputs[0], 0.0, float(maximum))
    plain = pl.LeakyReLU(slope) if slope else pl.ReLU()
    return op.builder.elementwise(op.ref, op.inputs[0], plain)


def _relu_of(
    x: Expression, slope: float, threshold: float, maximum: float | None
) -> Expression:
    """Return x above a threshold, at most a maximum, less a slope below it."""
    y = math.where(x > threshold, x, 0) if threshold else math.relu(x)
    if maximum is not None:
        y = math.clip(y, 0, float(maximum))
    return y - slope * math.relu(threshold - x) if slope else y


def _leaky_relu(op: OperatorView) -> Tensor:
    slope = op.get("negative_slope", op.get("alpha", 0.3))
    layer = pl.LeakyReLU(float(slope))
    return op.builder.elementwise(op.ref, op.inputs[0], layer)


def _elu(op: OperatorView) -> Tensor:
    layer = pl.ELU(float(op.get("alpha", 1.0)))
    return op.builder.elementwise(op.ref, op.inputs[0], layer)


def _softmax(op: OperatorView) -> Tensor:
    axis = op.get("axis", -1)
    return op.builder.softmax(op.ref, op.inputs[0], axis)


def _dropout(op: OperatorView) -> Tensor:
    if op.config.get("noise_shape") is not None:
        return op.inputs[0]  # drops whole slices, in training alone
    layer = pl.Dropout(float(op.get("rate", 0.5)))
    return op.builder.elementwise(op.ref, op.inputs[0], layer)


def _flatten(op: OperatorView) -> Tensor:
    op.only(data_format="channels_last")
    return op.builder.flatten(op.ref, op.inputs[0])


def _reshape(op: OperatorView) -> Tensor:
    """Files of Keras have their axes as they are here: no other order is meant."""
    x, sizes = op.inputs[0], tuple(int(n) for n in op.get("target_shape", ()))
    if len(sizes) == 1:
        return op.builder.flatten(op.ref, x)
    axes, builder = tuple(range(len(sizes) + 1)), op.builder
    node = builder.nodes[x.node]
    if isinstance(node.layer, pl.Parameter) and op.is_sole_reader:
        value = builder.weights[f"{x.node}.value"].reshape(sizes)
        how = {"trainable": node.layer.trainable}
        return builder.parameter(op.ref, node.inputs[0], value, **how)
    return builder.layer(op.ref, pl.Reshape(sizes), [x], axes=axes)


def _sides(op: OperatorView, key: str) -> Any:
    value = op.get(key, 1)
    first, second = (value, value) if isinstance(value, int) else value
    pairs = [(n, n) if isinstance(n, int) else n for n in (first, second)]
    return tuple((int(a), int(b)) for a, b in pairs)


def _zero_pad(op: OperatorView) -> Tensor:
    op.only(data_format="channels_last")
    sides = _sides(op, "padding")
    return op.builder.pad(op.ref, op.inputs[0], sides)


def _crop(op: OperatorView) -> Tensor:
    op.only(data_format="channels_last")
    x, sides = op.inputs[0], _sides(op, "cropping")
    cropped = op.builder.fold_crop(x, sides) if op.is_sole_reader else None
    return cropped or op.builder.layer(op.ref, pl.Crop2D(sides), [x])


def _crop_row(op: OperatorView) -> Tensor:
    """Cropping1D: a count at either end, or one for both."""
    given, x = op.get("cropping", 1), op.inputs[0]
    before, after = (given, given) if isinstance(given, int) else given
    kept = (1, int(before), x.foreign_shape[1] - int(after), 1)
    return relayout.take(op.builder, op.ref, x, [kept])


def _repeat_vector(op: OperatorView) -> Tensor:
    row = op.builder.expand_dims(op.ref.part("row"), op.inputs[0], [1])
    return tile(op.builder, op.ref, row, [1, int(op.get("n", 1)), 1])


def _upsample_row(op: OperatorView) -> Tensor:
    """UpSampling1D: each step several times."""
    x, size = op.inputs[0], int(op.get("size", 2))
    return compose(op.builder, op.ref, x, lambda to, y: repeat_each(to, y, 0, size))


def _permute(op: OperatorView) -> Tensor:
    """Exchange axes at once: files of Keras have images as they are here."""
    axes = tuple(int(axis) - 1 for axis in op.get("dims", ()))
    return op.builder.layer(op.ref, pl.Permute(axes), [op.inputs[0]])


def _resizing(op: OperatorView) -> Tensor:
    op.only(
        data_format="channels_last",
        crop_to_aspect_ratio=False,
        pad_to_aspect_ratio=False,
        antialias=False,
    )
    mode = op.get("interpolation", "bilinear")
    if mode not in ("nearest", "bilinear"):
        op.ref.refuse("interpolate by nearest or bilinear", repr(mode))
    size = int(op.get("height")), int(op.get("width"))
    how = {"mode": mode, "coordinates": "half_pixel", "rounding": "round_prefer_ceil"}
    return add_resize(op.builder, op.ref, op.inputs[0], size=size, **how)


def _upsample(op: OperatorView) -> Tensor:
    op.only(data_format="channels_last")
    layer = pl.Upsample2D(op.pair("size", 2), mode=op.get("interpolation", "nearest"))
    return op.builder.layer(op.ref, layer, [op.inputs[0]])


def _rescaling(op: OperatorView) -> Tensor:
    scale, offset = (
        np.asarray(op.get(key, default), np.float64)
        for key, default in (("scale", 1.0), ("offset", 0.0))
    )
    return _rescale(op, scale, offset)


def _arithmetic(kind: type[Layer]) -> Callable[[OperatorView], Tensor]:
    """Combine the inputs; missing axes of length 1 stand behind the batch."""

    def read(op: OperatorView) -> Tensor:
        rank = max(len(x.axes) for x in op.inputs)
        wide = [
            replace(x, axes=(x.axes[0], *(None,) * (rank - len(x.axes)), *x.axes[1:]))
            for x in op.inputs
        ]
        return op.builder.arithmetic(op.ref, kind(), wide)

    return read


def _concat(op: OperatorView) -> Tensor:
    return op.builder.concat(op.ref, op.inputs, op.get("axis", -1))


def _same(op: OperatorView) -> Tensor:
    """Nothing: what augments or adds noise in training alone.

    And Activation: what it names is added behind every layer.
    """
    return op.inputs[0]


def _prelu(op: OperatorView) -> Tensor:
    """Slopes of (1, 1, C), where axes are shared."""
    return op.builder.prelu(op.ref, op.inputs[0], op.array())


def _group_norm(op: OperatorView) -> Tensor:
    x = op.inputs[0]
    axis = op.get("axis", -1)
    op.builder.channels(op.ref, x, axis)
    channels, groups = x.shape[-1], int(op.get("groups", 32))
    epsilon = float(op.get("epsilon", 1e-3))
    weights = op.scale_and_offset()
    is_instance = groups in (-1, channels)
    layer: Layer = (
        pl.InstanceNorm(epsilon) if is_instance else pl.GroupNorm(groups, epsilon)
    )
    layer.output_shape(x.shape)
    return op.builder.normalization(op.ref, x, layer, weights)


def _unit_norm(op: OperatorView) -> Tensor:
    axis = op.get("axis", -1)
    if isinstance(axis, list):
        (axis,) = axis if len(axis) == 1 else (None,)
    if axis is None:
        op.ref.refuse("normalise one axis", str(op.get("axis")))
    return op.builder.l2_normalize(op.ref, op.inputs[0], axis=axis, epsilon=1e-12)


def _global_max(op: OperatorView) -> Tensor:
    op.only(data_format="channels_last")
    as_image = bool(op.get("keepdims", False))
    x = op.builder.global_max(op.ref, op.inputs[0], as_image=as_image)
    return x if as_image else op.builder.vector(x)


def _normalization(op: OperatorView) -> Tensor:
    """(x − mean) / max(√variance, 1e-7), or the inverse, with constants."""
    x, axis = op.inputs[0], op.get("axis", -1)
    axes = [axis] if isinstance(axis, int) else list(axis or ())
    if axes and (len(axes) > 1 or x.axis(axes[0]) != len(x.shape)):
        op.ref.refuse("normalise the channels, or all elements alike", f"axis={axis}")
    given = [op.config.get(key) for key in ("mean", "variance")]
    if any(value is None for value in given):
        given = [op.array(), op.array()]
    mean, variance = (np.ravel(np.asarray(value, np.float64)) for value in given)
    if {mean.size, variance.size} - {1, x.shape[-1]}:
        op.ref.refuse(f"have {x.shape[-1]} means", f"{mean.size}")
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    if op.get("invert", False):
        scale, offset = deviation, mean
    else:
        scale, offset = 1 / deviation, -mean / deviation
    return _rescale(op, scale, offset)


def _rescale(op: OperatorView, scale: Array, offset: Array) -> Tensor:
    x = op.inputs[0]
    if x.axes[-1] != len(x.shape) or x.order is not None:
        op.ref.refuse("rescale channels that are last", f"axes {x.axes}")
    numbers = (
        float(n[0]) if n.size == 1 else tuple(map(float, n))
        for n in (np.ravel(scale), np.ravel(offset))
    )
    layer = pl.Rescale(*numbers)
    layer.output_shape(x.shape)
    return op.builder.elementwise(op.ref, x, layer)


def _layer_scale(op: OperatorView) -> Tensor:
    """Multiply channels by ``gamma``: a layer of keras.applications' ConvNeXt."""
    return op.builder.affine(op.ref, op.inputs[0], scale=op.array())


#: layers that change nothing in prediction
IN_TRAINING_ALONE = (
    "ActivityRegularization",
    "AlphaDropout",
    "AugMix",
    "CutMix",
    "Equalization",
    "GaussianDropout",
    "GaussianNoise",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHeight",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomWidth",
    "RandomZoom",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "StochasticDepth",
    "SpatialDropout3D",
)


READERS: dict[str, Callable[[OperatorView], Tensor]] = {
    **dict.fromkeys(IN_TRAINING_ALONE, _same),
    "Activation": _same,
    "Attention": attention.attention,
    "Add": _arithmetic(pl.Add),
    "AveragePooling2D": _pool(pl.AvgPool2D),
    "BatchNormalization": _batch_norm,
    "Concatenate": _concat,
    "Conv2D": _conv,
    "Conv2DTranspose": _conv_transpose,
    "Cropping1D": _crop_row,
    "Cropping2D": _crop,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Dot": attention.dot,
    "Dropout": _dropout,
    "ELU": _elu,
    "EinsumDense": attention.einsum_dense,
    "Embedding": attention.embedding,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global_average,
    "Identity": _same,
    "InputLayer": _input,
    "LayerNormalization": _layer_norm,
    "LayerScale": _layer_scale,
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pool(pl.MaxPool2D),
    "Maximum": _arithmetic(pl.Maximum),
    "MultiHeadAttention": attention.multi_head_attention,
    "Multiply": _arithmetic(pl.Multiply),
    "PReLU": _prelu,
    "Permute": _permute,
    "ReLU": _relu,
    "RepeatVector": _repeat_vector,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Resizing": _resizing,
    "SeparableConv2D": _separable,
    "Softmax": _softmax,
    "Subtract": _arithmetic(pl.Subtract),
    "UpSampling1D": _upsample_row,
    "UpSampling2D": _upsample,
    "ZeroPadding2D": _zero_pad,
    "GlobalMaxPooling2D": _global_max,
    "GroupNormalization": _group_norm,
    "Normalization": _normalization,
    "UnitNormalization": _unit_norm,
    "AveragePooling1D": _pool1d(pl.AvgPool1D),
    "Conv1D": _conv1d,
    "Conv1DTranspose": _conv_transpose_1d,
    "GlobalAveragePooling1D": _global_average_1d,
    "MaxPooling1D": _pool1d(pl.MaxPool1D),
    **dict.fromkeys(recurrent.KINDS, recurrent.recurrent),
    "Bidirectional": recurrent.bidirectional,
}
READERS["TimeDistributed"] = recurrent.time_distributed(READERS, activation)
