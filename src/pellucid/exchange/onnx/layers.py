"""This file is how each layer is written as operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.channels_first import conv_transpose_weight, conv_weight, rows
from pellucid.exchange.errors import export_error
from pellucid.exchange.onnx.builder import GraphBuilder
from pellucid.network import Node
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Shape
from pellucid.network.window import Pads

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One node while it is written.

    ``shape`` is the first input's, ours; ``image_shape`` is that of the image which
    was flattened, where its order C, H, W is kept.
    """

    builder: GraphBuilder
    node: Node
    layer: Any
    inputs: list[str]
    shape: Shape
    weights: dict[str, Array]
    image_shape: Shape | None

    @property
    def is_image(self) -> bool:
        """True where the first input is an image."""
        return len(self.shape) == 3

    def put(self, operator: str, inputs: list[str] | None = None, **how: Any) -> str:
        """Add the operator that makes the node's value."""
        given = self.inputs if inputs is None else inputs
        return self.builder.add(operator, given, self.node.name, **how)

    def part(self, operator: str, inputs: list[str], what: str, **how: Any) -> str:
        """Add an operator that makes a part of it."""
        return self.builder.add(operator, inputs, f"{self.node.name}.{what}", **how)

    def weight(self, role: str, array: Array | None = None) -> str:
        """Add a weight and return its name."""
        given = self.weights[role] if array is None else array
        return self.builder.constant(f"{self.node.name}.{role}", given)

    def biased(self, inputs: list[str]) -> list[str]:
        """Return inputs with the bias behind them, if there is one."""
        return [*inputs, self.weight("bias")] if "bias" in self.weights else inputs


def _flat(pads: Pads) -> list[int]:
    """Return pads as ONNX has them: top, left, bottom, right."""
    (top, bottom), (left, right) = pads
    return [top, left, bottom, right]


def _window(site: Site) -> dict[str, Any]:
    layer = site.layer
    return {
        "kernel_shape": list(layer.kernel),
        "strides": list(layer.strides),
        "pads": _flat(layer.pads((site.shape[0], site.shape[1]))),
    }


def _conv(site: Site) -> str:
    weight = site.weight("weight", conv_weight(site.weights["weight"]))
    return site.put(
        "Conv",
        site.biased([*site.inputs, weight]),
        dilations=list(site.layer.dilations),
        group=site.layer.groups,
        **_window(site),
    )


def _conv_transpose(site: Site) -> str:
    layer, how = site.layer, _window(site)
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
    array = conv_transpose_weight(site.weights["weight"], layer.groups)
    return site.put(
        "ConvTranspose",
        site.biased([*site.inputs, site.weight("weight", array)]),
        dilations=list(layer.dilations),
        group=layer.groups,
        output_padding=extra,
        **how,
    )


def _dense(site: Site) -> str:
    array = site.weights["weight"]
    if site.image_shape is not None:
        array = array[rows(site.image_shape)]
    weight = site.weight("weight", array)
    if len(site.shape) == 1:
        return site.put("Gemm", site.biased([*site.inputs, weight]))
    builder, name = site.builder, site.node.name
    x = builder.channels_last(site.inputs[0], name) if site.is_image else site.inputs[0]
    ends = "product" if site.is_image or "bias" in site.weights else ""
    y = (
        site.part("MatMul", [x, weight], ends)
        if ends
        else site.put("MatMul", [x, weight])
    )
    if "bias" in site.weights:
        inputs = [y, site.weight("bias")]
        y = (
            site.part("Add", inputs, "sum")
            if site.is_image
            else site.put("Add", inputs)
        )
    return builder.channels_first(y, name) if site.is_image else y


def _flatten(site: Site) -> str:
    if site.is_image and site.image_shape is None and site.shape[:2] != (1, 1):
        x = site.builder.channels_last(site.inputs[0], site.node.name)
        return site.put("Flatten", [x], axis=1)
    return site.put("Flatten", axis=1)


def _batch_norm(site: Site) -> str:
    roles = ("scale", "offset", "running_mean", "running_variance")
    weights = [site.weight(role) for role in roles]
    how = {"epsilon": site.layer.epsilon, "momentum": site.layer.momentum}
    if len(site.shape) != 2:
        return site.put("BatchNormalization", [*site.inputs, *weights], **how)
    swapped = site.part("Transpose", site.inputs, "channels_first", perm=[0, 2, 1])
    y = site.part("BatchNormalization", [swapped, *weights], "normalized", **how)
    return site.put("Transpose", [y], perm=[0, 2, 1])


def _layer_norm(site: Site) -> str:
    builder, name = site.builder, site.node.name
    weights = [site.weight("scale"), site.weight("offset")]
    how = {"axis": -1, "epsilon": site.layer.epsilon}
    if not site.is_image:
        return site.put("LayerNormalization", [*site.inputs, *weights], **how)
    x = builder.channels_last(site.inputs[0], name)
    y = site.part("LayerNormalization", [x, *weights], "normalized", **how)
    return builder.channels_first(y, name)


def _local_response_norm(site: Site) -> str:
    layer = site.layer
    how = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.bias}
    return site.put("LRN", size=layer.size, **how)


def _avg_pool(site: Site) -> str:
    return site.put("AveragePool", count_include_pad=0, **_window(site))


def _global_avg_pool(site: Site) -> str:
    image = site.part("GlobalAveragePool", site.inputs, "image")
    return site.put("Flatten", [image], axis=1)


def _dropout(site: Site) -> str:
    ratio = np.asarray(site.layer.rate, np.float32)
    return site.put(
        "Dropout",
        [*site.inputs, site.builder.constant(f"{site.node.name}.ratio", ratio)],
    )


def _zero_pad(site: Site) -> str:
    top, left, bottom, right = _flat(site.layer.sides)
    sides = np.asarray([0, 0, top, left, 0, 0, bottom, right], np.int64)
    pads = site.builder.constant(f"{site.node.name}.pads", sides)
    return site.put("Pad", [*site.inputs, pads])


def _upsample(site: Site) -> str:
    factors = np.asarray([1, 1, *site.layer.factors], np.float32)
    scales = site.builder.constant(f"{site.node.name}.scales", factors)
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
    }[site.layer.mode]
    return site.put("Resize", [*site.inputs, "", scales], **how)


def _add(site: Site) -> str:
    return site.put("Add" if len(site.inputs) == 2 else "Sum")


def _silu(site: Site) -> str:
    gate = site.part("Sigmoid", site.inputs, "gate")
    return site.put("Mul", [site.inputs[0], gate])


def _channel_axis(site: Site) -> int:
    return 1 if site.is_image else -1


WRITERS: dict[type[Layer], Callable[[Site], str]] = {
    pl.Add: _add,
    pl.AvgPool2D: _avg_pool,
    pl.BatchNorm: _batch_norm,
    pl.Concat: lambda site: site.put("Concat", axis=_channel_axis(site)),
    pl.Conv2D: _conv,
    pl.ConvTranspose2D: _conv_transpose,
    pl.Dense: _dense,
    pl.Dropout: _dropout,
    pl.Flatten: _flatten,
    pl.GELU: lambda site: site.put("Gelu"),
    pl.GlobalAvgPool2D: _global_avg_pool,
    pl.LayerNorm: _layer_norm,
    pl.LeakyReLU: lambda site: site.put("LeakyRelu", alpha=site.layer.slope),
    pl.LocalResponseNorm: _local_response_norm,
    pl.MaxPool2D: lambda site: site.put("MaxPool", **_window(site)),
    pl.ReLU: lambda site: site.put("Relu"),
    pl.SiLU: _silu,
    pl.Sigmoid: lambda site: site.put("Sigmoid"),
    pl.Softmax: lambda site: site.put("Softmax", axis=_channel_axis(site)),
    pl.Tanh: lambda site: site.put("Tanh"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: _zero_pad,
}
