"""This file is how each layer becomes layers of Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import export_error
from pellucid.exchange.keras.entry import Entry
from pellucid.network import Node
from pellucid.network import layers as pl
from pellucid.network.layers import Input, Layer, Shape
from pellucid.network.window import Pads, pads
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_ZEROS: Pads = ((0, 0), (0, 0))
#: layers after which no number is negative, so that zeros around it lose every maximum
_NOT_NEGATIVE = (pl.ReLU, pl.Sigmoid, pl.Softmax)


@dataclass(slots=True, kw_only=True)
class Site:
    """One node while it is written; entries are put behind each other."""

    node: Node
    layer: Any
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    weights: dict[str, Array]
    source: Layer
    entries: list[Entry]

    def put(
        self,
        kind: str,
        *arrays: Array,
        name: str = "",
        shape: Shape = (),
        **config: Any,
    ) -> None:
        """Add a layer of Keras; what follows reads it.

        Name and shape are the node's unless they are given.
        """
        name = name or self.node.name
        entry = Entry(
            kind=kind,
            name=name,
            config=config,
            inputs=self.inputs,
            arrays=list(arrays),
            shape=shape or self.shape,
        )
        self.entries.append(entry)
        self.inputs = (name,)

    def pad(self, sides: Pads) -> None:
        """Put zeros around the image first."""
        if sides != _ZEROS:
            name = f"{self.node.name}_padding"
            height, width, channels = self.shapes[0]
            shape = height + sum(sides[0]), width + sum(sides[1]), channels
            self.put("ZeroPadding2D", name=name, shape=shape, padding=_lists(sides))

    def refused(self, reason: str) -> Exception:
        """Return the error for what Keras cannot express."""
        return export_error("Keras", self.layer.who, reason)


def entries_of(file: ModelFile) -> tuple[list[Entry], str]:
    """Return Keras's layers in topological order, and the name of the output's."""
    network, entries = file.network, list[Entry]()
    names: dict[str, str] = {}
    for node in network.nodes:
        if isinstance(node.layer, Input):
            shape = [None, *node.layer.shape]
            config = {"batch_shape": shape, "dtype": "float32"}
            entry = Entry(kind="InputLayer", name=node.name, config=config)
            entry.shape = node.layer.shape
            entries.append(entry)
            names[node.name] = node.name
            continue
        shapes = network.input_shapes(node)
        site = Site(
            node=node,
            layer=node.layer,
            inputs=tuple(names[source] for source in node.inputs),
            shapes=shapes,
            shape=network.shapes[node.name],
            weights={
                spec.role: np.asarray(file.weights[f"{node.name}.{spec.role}"])
                for spec in node.layer.weights(*shapes)
            },
            source=network.node(node.inputs[0]).layer,
            entries=entries,
        )
        _WRITERS[type(node.layer)](site)
        names[node.name] = site.inputs[0]
    return entries, names[network.outputs[0]]


def _lists(sides: Pads) -> list[list[int]]:
    return [list(pair) for pair in sides]


def _window(site: Site) -> tuple[str, Pads]:
    """Return Keras's padding, and the zeros that must be put around before."""
    layer, size = site.layer, (site.shapes[0][0], site.shapes[0][1])
    around = layer.pads(size)
    dilation = getattr(layer, "dilations", (1, 1))
    if around == _ZEROS:
        return "valid", _ZEROS
    if around == pads("same", size, layer.kernel, layer.strides, dilation):
        return "same", _ZEROS
    return "valid", around


def _biased(site: Site, weight: Array) -> list[Array]:
    return [weight, site.weights["bias"]] if "bias" in site.weights else [weight]


def _conv(site: Site) -> None:
    layer = site.layer
    if max(layer.strides) > 1 and max(layer.dilations) > 1:
        raise site.refused("stride and dilation must not both be more than 1")
    padding, around = _window(site)
    site.pad(around)
    how = {
        "kernel_size": list(layer.kernel),
        "strides": list(layer.strides),
        "padding": padding,
        "dilation_rate": list(layer.dilations),
        "use_bias": layer.bias,
        "data_format": "channels_last",
        "trainable": layer.trainable,
    }
    channels, weight = site.shapes[0][2], site.weights["weight"]
    is_square = layer.strides[0] == layer.strides[1]
    if layer.groups == channels > 1 and is_square:
        kh, kw, _, out = weight.shape
        kernel = weight.reshape(kh, kw, channels, out // channels)
        more = {"depth_multiplier": out // channels}
        site.put("DepthwiseConv2D", *_biased(site, kernel), **how, **more)
        return
    more = {"filters": layer.out_channels, "groups": layer.groups}
    site.put("Conv2D", *_biased(site, weight), **how, **more)


def _conv_transpose(site: Site) -> None:
    layer, name = site.layer, site.node.name
    if layer.groups > 1:
        raise site.refused("groups must be 1")
    if max(layer.strides) > 1 and max(layer.dilations) > 1:
        raise site.refused("stride and dilation must not both be more than 1")
    whole = [
        n * s + max(d * (k - 1) + 1 - s, 0)
        for n, s, k, d in zip(
            site.shapes[0], layer.strides, layer.kernel, layer.dilations, strict=False
        )
    ]
    (top, _), (left, _) = layer.pads((site.shapes[0][0], site.shapes[0][1]))
    bottom, right = whole[0] - top - site.shape[0], whole[1] - left - site.shape[1]
    if min(bottom, right) < 0:
        raise site.refused("output_padding must not go beyond the kernel")
    crop = ((top, bottom), (left, right))
    kernel = site.weights["weight"].transpose(0, 1, 3, 2)
    is_cropped = crop != _ZEROS
    site.put(
        "Conv2DTranspose",
        *_biased(site, kernel),
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
        site.put("Cropping2D", cropping=_lists(crop), data_format="channels_last")


def _dense(site: Site) -> None:
    site.put(
        "Dense",
        *_biased(site, site.weights["weight"]),
        units=site.layer.units,
        use_bias=site.layer.bias,
        trainable=site.layer.trainable,
    )


def _pool(kind: str) -> Callable[[Site], None]:
    def write(site: Site) -> None:
        layer = site.layer
        padding, around = _window(site)
        if around != _ZEROS:
            is_safe = isinstance(site.source, _NOT_NEGATIVE)
            if kind != "MaxPooling2D" or not is_safe:
                raise site.refused(f"padding must be 'valid' or 'same'; got {around}")
            site.pad(around)
        site.put(
            kind,
            pool_size=list(layer.kernel),
            strides=list(layer.strides),
            padding=padding,
            data_format="channels_last",
        )

    return write


def _batch_norm(site: Site) -> None:
    layer, roles = site.layer, ("scale", "offset", "running_mean", "running_variance")
    site.put(
        "BatchNormalization",
        *(site.weights[role] for role in roles),
        axis=-1,
        momentum=layer.momentum,
        epsilon=layer.epsilon,
        trainable=layer.trainable,
    )


def _layer_norm(site: Site) -> None:
    arrays = site.weights["scale"], site.weights["offset"]
    how = {"epsilon": site.layer.epsilon, "trainable": site.layer.trainable}
    site.put("LayerNormalization", *arrays, axis=-1, **how)


def _local_response_norm(site: Site) -> None:
    raise site.refused("there is no such layer")


def _activation(name: str) -> Callable[[Site], None]:
    return lambda site: site.put("Activation", activation=name)


def _upsample(site: Site) -> None:
    site.put(
        "UpSampling2D",
        size=list(site.layer.factors),
        interpolation=site.layer.mode,
        data_format="channels_last",
    )


_WRITERS: dict[type[Layer], Callable[[Site], None]] = {
    pl.Add: lambda site: site.put("Add"),
    pl.AvgPool2D: _pool("AveragePooling2D"),
    pl.BatchNorm: _batch_norm,
    pl.Concat: lambda site: site.put("Concatenate", axis=-1),
    pl.Conv2D: _conv,
    pl.ConvTranspose2D: _conv_transpose,
    pl.Dense: _dense,
    pl.Dropout: lambda site: site.put("Dropout", rate=site.layer.rate),
    pl.Flatten: lambda site: site.put("Flatten", data_format="channels_last"),
    pl.GELU: _activation("gelu"),
    pl.GlobalAvgPool2D: lambda site: site.put(
        "GlobalAveragePooling2D", data_format="channels_last"
    ),
    pl.LayerNorm: _layer_norm,
    pl.LeakyReLU: lambda site: site.put("LeakyReLU", negative_slope=site.layer.slope),
    pl.LocalResponseNorm: _local_response_norm,
    pl.MaxPool2D: _pool("MaxPooling2D"),
    pl.ReLU: lambda site: site.put("ReLU"),
    pl.SiLU: _activation("silu"),
    pl.Sigmoid: _activation("sigmoid"),
    pl.Softmax: lambda site: site.put("Softmax", axis=-1),
    pl.Tanh: _activation("tanh"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: lambda site: site.put(
        "ZeroPadding2D", padding=_lists(site.layer.sides), data_format="channels_last"
    ),
}
