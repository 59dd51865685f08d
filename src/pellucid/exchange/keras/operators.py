"""This file is the layers of Keras that pellucid's layers express exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import Place
from pellucid.exchange.graph.network_builder import Assembler
from pellucid.exchange.graph.tensor import BATCH, Tensor
from pellucid.network import layers as pl
from pellucid.network.layers import Layer

Array = npt.NDArray[Any]
_ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "gelu": pl.GELU,
    "leaky_relu": lambda: pl.LeakyReLU(0.2),  # the function's slope; the layer's is 0.3
    "relu": pl.ReLU,
    "sigmoid": pl.Sigmoid,
    "silu": pl.SiLU,
    "softmax": pl.Softmax,
    "swish": pl.SiLU,
    "tanh": pl.Tanh,
}


@dataclass(slots=True, kw_only=True)
class Call:
    """A layer of Keras while it is read."""

    place: Place
    config: dict[str, Any]
    inputs: list[Tensor]
    arrays: list[Array]
    assembler: Assembler
    is_sole_reader: bool = False
    taken: int = field(default=0)

    def get(self, key: str, default: Any = None) -> Any:
        """Return an entry of the configuration, or the default where it is null."""
        value = self.config.get(key)
        return default if value is None else value

    def only(self, **allowed: Any) -> None:
        """Refuse settings that do not have the value that can be represented."""
        for key, value in allowed.items():
            if self.get(key, value) != value:
                self.place.refuse(f"have {key}={value!r}", repr(self.config[key]))

    def array(self) -> Array:
        """Return the next array."""
        if self.taken >= len(self.arrays):
            self.place.refuse("have its weights", f"{len(self.arrays)} arrays")
        self.taken += 1
        return self.arrays[self.taken - 1]

    def check_type(self) -> None:
        """Refuse arithmetic that is not float32."""
        policy = self.config.get("dtype", "float32")
        name = policy["config"]["name"] if isinstance(policy, dict) else policy
        if name not in ("float32", None):
            self.place.refuse("compute in float32", repr(name))

    def pair(self, key: str, default: Any = 1) -> tuple[int, int]:
        """Return two sizes."""
        value = self.get(key, default)
        first, second = (value, value) if isinstance(value, int) else value
        return int(first), int(second)


def activation(call: Call, x: Tensor) -> Tensor:
    """Add the layer that ``activation`` names, if it names one."""
    given = call.config.get("activation")
    if isinstance(given, dict):
        given = given.get("config", {}) if given.get("module") == "builtins" else given
    if given in (None, "linear"):
        return x
    if not isinstance(given, str) or given not in _ACTIVATIONS:
        call.place.refuse(
            f"have an activation among {', '.join(_ACTIVATIONS)}", repr(given)
        )
    named = Place(given, f"{x.node}_{given}")
    if "units" not in call.config and "kernel_size" not in call.config:
        named = call.place
    return call.assembler.elementwise(named, x, _ACTIVATIONS[given]())


def _input(call: Call) -> Tensor:
    shape = call.get("batch_shape") or call.get("batch_input_shape")
    if shape is None or len(shape) < 2 or None in shape[1:]:
        call.place.refuse("have a known shape (None, …)", str(shape))
    sizes = tuple(int(n) for n in shape[1:])
    axes = tuple(range(len(shape)))
    return call.assembler.input(sizes, axes, name=call.place.name)


def _sizes(call: Call) -> dict[str, Any]:
    call.only(data_format="channels_last")
    return {
        "stride": call.pair("strides"),
        "padding": call.get("padding", "valid"),
        "dilation": call.pair("dilation_rate"),
    }


def _bias(call: Call) -> Array | None:
    return call.array() if call.get("use_bias", True) else None


def _conv(call: Call) -> Tensor:
    sizes, weight = _sizes(call), call.array()
    sizes["groups"] = call.get("groups", 1)
    return call.assembler.conv(call.place, call.inputs[0], weight, _bias(call), **sizes)


def _depthwise(call: Call) -> Tensor:
    sizes, weight = _sizes(call), call.array()
    kh, kw, channels, multiplier = weight.shape
    sizes["groups"] = channels
    wide = weight.reshape(kh, kw, 1, channels * multiplier)
    return call.assembler.conv(call.place, call.inputs[0], wide, _bias(call), **sizes)


def _separable(call: Call) -> Tensor:
    """A depthwise convolution, then one of 1 × 1."""
    sizes, depth, point = _sizes(call), call.array(), call.array()
    kh, kw, channels, multiplier = depth.shape
    wide = depth.reshape(kh, kw, 1, channels * multiplier)
    first = Place("SeparableConv2D", f"{call.place.name}_depthwise")
    x = call.assembler.conv(first, call.inputs[0], wide, None, **sizes, groups=channels)
    return call.assembler.conv(call.place, x, point, _bias(call))


def _conv_transpose(call: Call) -> Tensor:
    sizes, weight = _sizes(call), call.array().transpose(0, 1, 3, 2)
    if call.config.get("output_padding") is not None:
        call.place.refuse("have output_padding=None", str(call.get("output_padding")))
    if sizes["padding"] == "valid":
        # Keras makes n · stride rows where the kernel is smaller than the stride
        extent = [
            s - (d * (k - 1) + 1)
            for s, d, k in zip(
                sizes["stride"], sizes["dilation"], weight.shape, strict=False
            )
        ]
        sizes["output_padding"] = tuple(max(n, 0) for n in extent)
    return call.assembler.conv(
        call.place, call.inputs[0], weight, _bias(call), transposed=True, **sizes
    )


def _dense(call: Call) -> Tensor:
    weight = call.array()
    return call.assembler.dense(call.place, call.inputs[0], weight, _bias(call))


def _pool(kind: Any) -> Callable[[Call], Tensor]:
    def read(call: Call) -> Tensor:
        call.only(data_format="channels_last")
        kernel = call.pair("pool_size", 2)
        return call.assembler.pool(
            call.place,
            call.inputs[0],
            kind,
            kernel_size=kernel,
            stride=call.pair("strides", kernel),
            padding=call.get("padding", "valid"),
        )

    return read


def _global_average(call: Call) -> Tensor:
    call.only(data_format="channels_last")
    as_image = bool(call.get("keepdims", False))
    x = call.assembler.global_average(call.place, call.inputs[0], as_image=as_image)
    return x if as_image else call.assembler.vector(x)


def _batch_norm(call: Call) -> Tensor:
    x = call.inputs[0]
    axis = call.get("axis", -1)
    call.assembler.channels(call.place, x, axis[0] if isinstance(axis, list) else axis)
    call.only(renorm=False)
    ones = np.ones(x.shape[-1], np.float32)
    weights = {
        "scale": call.array() if call.get("scale", True) else ones,
        "offset": call.array() if call.get("center", True) else ones * 0,
        "running_mean": call.array(),
        "running_variance": call.array(),
    }
    layer = pl.BatchNorm(
        momentum=float(call.get("momentum", 0.99)),
        epsilon=float(call.get("epsilon", 1e-3)),
    )
    return call.assembler.normalization(call.place, x, layer, weights)


def _layer_norm(call: Call) -> Tensor:
    x = call.inputs[0]
    axis = call.get("axis", -1)
    call.only(rms_scaling=False)
    call.assembler.channels(call.place, x, axis[0] if isinstance(axis, list) else axis)
    ones = np.ones(x.shape[-1], np.float32)
    weights = {
        "scale": call.array() if call.get("scale", True) else ones,
        "offset": call.array() if call.get("center", True) else ones * 0,
    }
    layer = pl.LayerNorm(epsilon=float(call.get("epsilon", 1e-3)))
    return call.assembler.normalization(call.place, x, layer, weights)


def _relu(call: Call) -> Tensor:
    call.only(threshold=0)
    if call.config.get("max_value") is not None:
        call.place.refuse("have max_value=None", str(call.config["max_value"]))
    slope = float(np.ravel(call.get("negative_slope", 0.0))[0])
    layer = pl.LeakyReLU(slope) if slope else pl.ReLU()
    return call.assembler.elementwise(call.place, call.inputs[0], layer)


def _leaky_relu(call: Call) -> Tensor:
    slope = call.get("negative_slope", call.get("alpha", 0.3))
    layer = pl.LeakyReLU(float(slope))
    return call.assembler.elementwise(call.place, call.inputs[0], layer)


def _softmax(call: Call) -> Tensor:
    axis = call.get("axis", -1)
    return call.assembler.softmax(call.place, call.inputs[0], axis)


def _dropout(call: Call) -> Tensor:
    if call.config.get("noise_shape") is not None:
        return call.inputs[0]  # drops whole slices, in training alone
    layer = pl.Dropout(float(call.get("rate", 0.5)))
    return call.assembler.elementwise(call.place, call.inputs[0], layer)


def _flatten(call: Call) -> Tensor:
    call.only(data_format="channels_last")
    return call.assembler.flatten(call.place, call.inputs[0])


def _reshape(call: Call) -> Tensor:
    shape = [BATCH, *(int(n) for n in call.get("target_shape", ()))]
    return call.assembler.reshape(call.place, call.inputs[0], shape)


def _sides(call: Call, key: str) -> Any:
    value = call.get(key, 1)
    first, second = (value, value) if isinstance(value, int) else value
    pairs = [(n, n) if isinstance(n, int) else n for n in (first, second)]
    return tuple((int(a), int(b)) for a, b in pairs)


def _zero_pad(call: Call) -> Tensor:
    call.only(data_format="channels_last")
    sides = _sides(call, "padding")
    return call.assembler.pad(call.place, call.inputs[0], sides)


def _crop(call: Call) -> Tensor:
    call.only(data_format="channels_last")
    x = call.inputs[0]
    cropped = None
    if call.is_sole_reader:
        cropped = call.assembler.fold_crop(x, _sides(call, "cropping"))
    if cropped is None:
        call.place.refuse("follow a Conv2DTranspose that it crops", f"'{x.node}'")
    return cropped


def _upsample(call: Call) -> Tensor:
    call.only(data_format="channels_last")
    layer = pl.Upsample2D(
        call.pair("size", 2), mode=call.get("interpolation", "nearest")
    )
    return call.assembler.layer(call.place, layer, [call.inputs[0]])


def _rescaling(call: Call) -> Tensor:
    scale, offset = (
        np.asarray(call.get(key, default), np.float32)
        for key, default in (("scale", 1.0), ("offset", 0.0))
    )
    return call.assembler.affine(call.place, call.inputs[0], scale=scale, offset=offset)


def _add(call: Call) -> Tensor:
    return call.assembler.add(call.place, call.inputs)


def _concat(call: Call) -> Tensor:
    return call.assembler.concat(call.place, call.inputs, call.get("axis", -1))


def _same(call: Call) -> Tensor:
    """Nothing: what augments or adds noise in training alone.

    And Activation: what it names is added behind every layer.
    """
    return call.inputs[0]


def _prelu(call: Call) -> Tensor:
    slopes = np.unique(call.array())
    if slopes.size != 1:
        call.place.refuse("have one slope", f"{slopes.size} slopes")
    layer = pl.LeakyReLU(float(slopes[0]))
    return call.assembler.elementwise(call.place, call.inputs[0], layer)


_IN_TRAINING_ALONE = (
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
    "SpatialDropout3D",
)


def _nested(call: Call) -> Tensor:
    """Return the input of a model inside a model that only augments."""
    for layer in call.get("layers", ()):
        kind = str(layer["class_name"])
        if kind not in ("InputLayer", "Dropout", "Identity", *_IN_TRAINING_ALONE):
            call.place.refuse(
                "hold layers that are the identity at inference, inside another model",
                kind,
            )
    return call.inputs[0]


READERS: dict[str, Callable[[Call], Tensor]] = {
    **dict.fromkeys(_IN_TRAINING_ALONE, _same),
    "Activation": _same,
    "Add": _add,
    "AveragePooling2D": _pool(pl.AvgPool2D),
    "BatchNormalization": _batch_norm,
    "Concatenate": _concat,
    "Conv2D": _conv,
    "Conv2DTranspose": _conv_transpose,
    "Cropping2D": _crop,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Functional": _nested,
    "GlobalAveragePooling2D": _global_average,
    "Identity": _same,
    "InputLayer": _input,
    "LayerNormalization": _layer_norm,
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pool(pl.MaxPool2D),
    "PReLU": _prelu,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": _separable,
    "Sequential": _nested,
    "Softmax": _softmax,
    "UpSampling2D": _upsample,
    "ZeroPadding2D": _zero_pad,
}
