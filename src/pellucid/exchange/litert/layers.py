"""This file is how each layer becomes operators of LiteRT."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.weight_packing import scale_and_shift
from pellucid.exchange.litert.write_context import ZEROS, Site, strides
from pellucid.network import layers as pl
from pellucid.network.layers import Layer

Array = npt.NDArray[Any]
VALID = 1


def _conv(site: Site) -> int:
    layer, weight = site.layer, site.scaled(site.weights["weight"])
    padding, around = site.window()
    x = site.padded(site.inputs[0], around)
    bias, channels = site.bias(site.shape[2]), site.shapes[0][2]
    how = {
        "padding": padding,
        "dilation_h_factor": layer.dilations[0],
        "dilation_w_factor": layer.dilations[1],
        **strides(layer),
    }
    if layer.groups == channels > 1:
        kernel = site.constant("weight", weight.transpose(2, 0, 1, 3))
        how["depth_multiplier"] = layer.out_channels // channels
        return site.put("DEPTHWISE_CONV_2D", x, kernel, bias, **how)
    kernel = site.constant("weight", weight.transpose(3, 0, 1, 2))
    return site.put("CONV_2D", x, kernel, bias, **how)


def _conv_transpose(site: Site) -> int:
    """LiteRT has neither groups nor dilation here: the kernel is filled with zeros."""
    layer = site.layer
    weight = site.scaled(_spread(site.weights["weight"], layer.dilations, layer.groups))
    kh, kw = weight.shape[:2]
    whole = tuple(
        (n - 1) * s + k
        for n, s, k in zip(site.shapes[0][:2], layer.strides, (kh, kw), strict=True)
    )
    ((top, _), (left, _)) = layer.pads((site.shapes[0][0], site.shapes[0][1]))
    size = tuple(
        max(n, begin + m)
        for n, begin, m in zip(whole, (top, left), site.shape[:2], strict=True)
    )
    if size != whole:
        raise site.refused("output_padding must not go beyond the kernel")
    is_cropped = whole != site.shape[:2]
    shape = (*whole, site.shape[2])
    made = site.put(
        "TRANSPOSE_CONV",
        site.constant("output_shape", [1, *shape]),
        site.constant("weight", weight.transpose(3, 0, 1, 2)),
        site.inputs[0],
        site.bias(site.shape[2]),
        part="whole" if is_cropped else "",
        shape=shape,
        padding=VALID,
        **strides(layer),
    )
    if is_cropped:
        begin = site.constant("begin", [0, top, left, 0])
        made = site.put("SLICE", made, begin, site.constant("size", [-1, *site.shape]))
    return made


def _spread(weight: Array, dilations: tuple[int, int], groups: int) -> Array:
    """Return (kh, kw, in, out) with the zeros that groups and dilation stand for."""
    kh, kw, per_in, out = weight.shape
    extent = [d * (k - 1) + 1 for d, k in zip(dilations, (kh, kw), strict=True)]
    wide = np.zeros((*extent, per_in * groups, out), weight.dtype)
    for g in range(groups):
        ins = slice(g * per_in, (g + 1) * per_in)
        outs = slice(g * out // groups, (g + 1) * out // groups)
        wide[:: dilations[0], :: dilations[1], ins, outs] = weight[..., outs]
    return wide


def _dense(site: Site) -> int:
    weight = site.constant("weight", site.scaled(site.weights["weight"]).T)
    bias = site.bias(site.shape[-1])
    keep = len(site.shape) > 1
    return site.put("FULLY_CONNECTED", site.inputs[0], weight, bias, keep_num_dims=keep)


def _pool(kind: str) -> Callable[[Site], int]:
    def write(site: Site) -> int:
        layer = site.layer
        padding, around = site.window()
        if around != ZEROS and kind == "AVERAGE_POOL_2D":
            raise site.refused(f"padding must be 'valid' or 'same'; got {around}")
        x = site.padded(site.inputs[0], around, lowest=True)
        height, width = layer.kernel
        sizes = {"filter_height": height, "filter_width": width, **strides(layer)}
        return site.put(kind, x, padding=padding, **sizes)

    return write


def _global_avg_pool(site: Site) -> int:
    axes = site.constant("axes", [1, 2])
    return site.put("MEAN", site.inputs[0], axes, keep_dims=False)


def _batch_norm(site: Site) -> int:
    """One that nothing takes in: a depthwise convolution of 1 × 1, which is exact."""
    scale, shift = scale_and_shift(site.weights, site.layer.epsilon)
    channels, x = site.shape[-1], site.inputs[0]
    is_image = len(site.shape) == 3
    if not is_image:
        pixel = (1, 1, channels)
        to = [-1, *pixel]
        x = _reshape(site, x, to, part="as_image", shape=pixel)
    made = site.put(
        "DEPTHWISE_CONV_2D",
        x,
        site.constant("scale", scale.reshape(1, 1, 1, channels)),
        site.constant("shift", shift),
        part="" if is_image else "image",
        shape=site.shape if is_image else (1, 1, channels),
        padding=VALID,
        stride_h=1,
        stride_w=1,
        dilation_h_factor=1,
        dilation_w_factor=1,
        depth_multiplier=1,
    )
    return made if is_image else _reshape(site, made, [-1, *site.shape])


def _reshape(site: Site, x: int, to: list[int], **part: Any) -> int:
    return site.put("RESHAPE", x, site.constant("shape", to), new_shape=to, **part)


def _layer_norm(site: Site) -> int:
    (x,), row = site.inputs, (*site.shape[:-1], 1)
    axes = site.constant("axes", [len(site.shape)])
    epsilon = site.constant("epsilon", np.asarray(site.layer.epsilon))
    mean = site.put("MEAN", x, axes, part="mean", shape=row, keep_dims=True)
    square = site.put("SQUARED_DIFFERENCE", x, mean, part="square")
    spread = site.put("MEAN", square, axes, part="variance", shape=row, keep_dims=True)
    spread = site.put("ADD", spread, epsilon, part="stable", shape=row)
    inverse = site.put("RSQRT", spread, part="inverse", shape=row)
    centred = site.put("SUB", x, mean, part="centred")
    unit = site.put("MUL", centred, inverse, part="unit")
    scale = site.constant("scale", site.weights["scale"])
    scaled = site.put("MUL", unit, scale, part="scaled")
    offset = site.constant("offset", site.weights["offset"])
    return site.put("ADD", scaled, offset)


def _local_response_norm(site: Site) -> int:
    """LiteRT's alpha is not divided by the size."""
    layer = site.layer
    return site.put(
        "LOCAL_RESPONSE_NORMALIZATION",
        site.inputs[0],
        radius=layer.reach(site.shape[-1]),
        bias=layer.bias,
        alpha=layer.alpha / layer.size,
        beta=layer.beta,
    )


def _silu(site: Site) -> int:
    gate = site.put("LOGISTIC", site.inputs[0], part="sigmoid")
    return site.put("MUL", site.inputs[0], gate)


def _add(site: Site) -> int:
    made, *others = site.inputs
    for i, other in enumerate(others):
        is_last = i == len(others) - 1
        made = site.put("ADD", made, other, part="" if is_last else f"part_{i}")
    return made


def _pad(site: Site) -> int:
    paddings = [[0, 0], *map(list, site.layer.sides), [0, 0]]
    return site.put("PAD", site.inputs[0], site.constant("paddings", paddings))


def _upsample(site: Site) -> int:
    size = site.constant("size", list(site.shape[:2]))
    if site.layer.mode == "nearest":
        return site.put("RESIZE_NEAREST_NEIGHBOR", site.inputs[0], size)
    return site.put("RESIZE_BILINEAR", site.inputs[0], size, half_pixel_centers=True)


def _simple(kind: str, **options: Any) -> Callable[[Site], int]:
    return lambda site: site.put(kind, *site.inputs, **options)


WRITERS: dict[type[Layer], Callable[[Site], int]] = {
    pl.Add: _add,
    pl.AvgPool2D: _pool("AVERAGE_POOL_2D"),
    pl.BatchNorm: _batch_norm,
    pl.Concat: lambda site: site.put(
        "CONCATENATION", *site.inputs, axis=len(site.shape)
    ),
    pl.Conv2D: _conv,
    pl.ConvTranspose2D: _conv_transpose,
    pl.Dense: _dense,
    pl.Flatten: lambda site: _reshape(site, site.inputs[0], [-1, prod(site.shape)]),
    pl.GELU: _simple("GELU", approximate=False),
    pl.GlobalAvgPool2D: _global_avg_pool,
    pl.LayerNorm: _layer_norm,
    pl.LeakyReLU: lambda site: site.put(
        "LEAKY_RELU", *site.inputs, alpha=site.layer.slope
    ),
    pl.LocalResponseNorm: _local_response_norm,
    pl.MaxPool2D: _pool("MAX_POOL_2D"),
    pl.ReLU: _simple("RELU"),
    pl.SiLU: _silu,
    pl.Sigmoid: _simple("LOGISTIC"),
    pl.Softmax: _simple("SOFTMAX", beta=1.0),
    pl.Tanh: _simple("TANH"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: _pad,
}
