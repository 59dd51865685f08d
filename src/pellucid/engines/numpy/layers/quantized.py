"""Integer layers: sums of integers, scaled to the output's step.

Integers are counted from their zero points, so ``real = scale · x`` holds for every
value, and 0 pads an image. With the scales s of input, weight and output, the real
``y = Σ x · w + b`` becomes::

    s_y · y = Σ (s_x · x) · (s_w · w) + (s_x · s_w) · b
        y   = factor · (Σ x · w + b)      with  factor = s_x · s_w / s_y

which takes integers alone but for the factor. That is a fixed-point number in LiteRT
(`integer_arithmetic`), a real number in ONNX. Integers have no derivatives: such
networks are trained as float networks.

References
----------
LiteRT's 8-bit quantization specification, and its reference kernels for the order of
roundings; ONNX operators, QLinearConv and QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.engines.numpy.layers.conv import by_group, im2col, join_groups, paint
from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.engines.numpy.layers.integer_arithmetic import (
    divide,
    multiply,
    multiply_fixed_point,
    multiply_once,
    round_away,
)
from pellucid.engines.numpy.layers.merge import align
from pellucid.engines.numpy.layers.windows import cells, crop, pad
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Quantized, find_entry
from pellucid.network.layers.one_dimensional import expand_weight
from pellucid.network.quantization import RANGES, encode_multiplier, ten_bit_taps

DENSE = (1, 1)
_ADD_BITS = 20  # by which addends are shifted left, to lose nothing


def quantize(
    layer: pl.Quantize, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = clip(round(x / scale))``, within the type's limits."""
    del weights, mode
    (x,) = inputs
    steps = x.astype(np.float32) / np.float32(layer.output.scale)
    rounded = round_away(steps) if layer.rounding == "away" else np.rint(steps)
    y = np.clip(rounded, *layer.output.limits).astype(x.dtype)
    return Forward(y, no_gradient)


def dequantize(
    layer: pl.Dequantize, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = scale · x``."""
    del weights, mode
    (x,) = inputs
    y = x.astype(np.float32) * np.float32(layer.input.scale)
    return Forward(y.astype(x.dtype), no_gradient)


def quantized(
    layer: Quantized, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Run the operation on integers, and limit its output."""
    del mode
    whole = [np.rint(x).astype(np.int64) for x in align(inputs)]
    y = find_entry(_OPERATIONS, layer.operation)(layer, whole, weights)
    limited = np.clip(y, *layer.limits).astype(inputs[0].dtype)
    return Forward(limited, no_gradient)


def no_gradient(grad_y: Array) -> tuple[Array, ...]:
    """Stand for the backward pass, which sessions refuse for integer networks."""
    raise NotImplementedError


# -- sums of products ------------------------------------------------------------------


def _scale_sums(layer: Quantized, sums: Array, weights: Weights) -> Array:
    """``y = factor · (sums + b)``."""
    if "bias" in weights:
        sums = sums + weights["bias"]
    return multiply(sums, weights["factor"], arithmetic=layer.arithmetic)


def _conv2d(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """``Σ_{u,v,c} x[n, i·s + u·d, j·s + v·d, c] · w[u,v,c,o]``, as in `conv`."""
    conv: Any = layer.operation
    return _convolve(conv, layer, inputs[0], weights)


def _conv1d(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """The same on images of height 1."""
    conv: Any = layer.operation
    wide = {**weights, "weight": expand_weight("weight", weights["weight"])}
    return _convolve(conv.as_2d(), layer, inputs[0][:, None], wide)[:, 0]


def _convolve(conv: Any, layer: Quantized, x: Array, weights: Weights) -> Array:
    return _scale_sums(layer, convolve(conv, x, weights["weight"]), weights)


def convolve(conv: Any, x: Array, weight: Array) -> Array:
    """Return the sums of products of a convolution, as integers of 32 bits."""
    *output, channels = conv.output_shape(x.shape[1:])
    padded = pad(x.astype(np.int32), conv.pads(x.shape[1:3]))
    patches = im2col(padded, conv, (output[0], output[1]))
    columns = by_group(weight.astype(np.int32), conv.groups)
    return join_groups(patches @ columns).reshape(len(x), *output, channels)


def _conv_transpose2d(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """Each x paints its kernel on the sums."""
    conv: Any = layer.operation
    x = inputs[0].astype(np.int32)
    out_h, out_w, channels = conv.output_shape(x.shape[1:])
    pads = conv.pads(x.shape[1:3])
    sides = tuple((max(a, 0), max(b, 0)) for a, b in pads)
    extra = tuple((0, max(-b, 0)) for _, b in pads)
    size = (out_h - extra[0][1], out_w - extra[1][1])
    full = (len(x), size[0] + sum(sides[0]), size[1] + sum(sides[1]), channels)
    canvas = np.zeros(full, np.int32)
    paint(x, weights["weight"].astype(np.int32), canvas, conv)
    sums = pad(crop(canvas, sides, size), extra)  # type: ignore[arg-type]
    return _scale_sums(layer, sums, weights)


def _dense(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """``Σ x · w``; fixed-point numbers are rounded once here."""
    sums = inputs[0].astype(np.int32) @ weights["weight"].astype(np.int32)
    if layer.arithmetic == "real":
        return _scale_sums(layer, sums, weights)
    return multiply_once(sums + weights.get("bias", 0), weights["factor"])


# -- of several values -----------------------------------------------------------------


def _sum_or_difference(sign: int) -> Callable[..., Array]:
    def run(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
        """``y = (s₁ · x₁ ± s₂ · x₂) / s_y``."""
        scales = [operand.scale for operand in layer.operands]
        signs = [1, sign, *[sign] * (len(inputs) - 2)]
        if layer.arithmetic == "real":
            terms = [
                s * scale / layer.output.scale * x
                for s, scale, x in zip(signs, scales, inputs, strict=True)
            ]
            return _rint(sum(terms[1:], terms[0]))
        # each addend at twice the larger scale, which keeps the sum within 32 bits
        twice = 2 * max(scales)
        addends = [
            s * multiply(x << _ADD_BITS, scale / twice)
            for s, scale, x in zip(signs, scales, inputs, strict=True)
        ]
        total: Array = sum(addends[1:], addends[0])
        return multiply(total, twice / (2**_ADD_BITS * layer.output.scale))

    return run


def _product(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """``y = (s₁ · s₂ / s_y) · x₁ · x₂``."""
    scales: Any = [operand.scale for operand in (*layer.operands, layer.output)]
    if layer.arithmetic == "fixed_point":  # whose factor LiteRT makes in float32
        scales = list(map(np.float32, scales))
    real = scales[0] * scales[1] / scales[2]
    return multiply(inputs[0] * inputs[1], real, arithmetic=layer.arithmetic)


# -- means -----------------------------------------------------------------------------


def _avg_pool2d(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """The mean of the integers q of a window, rounded; zero points are counted in."""
    pool: Any = layer.operation
    return _average(pool, layer, inputs[0])


def _avg_pool1d(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """The same on images of height 1."""
    pool: Any = layer.operation
    return _average(pool.as_2d(), layer, inputs[0][:, None])[:, 0]


def _average(pool: Any, layer: Quantized, x: Array) -> Array:
    zero_point = layer.operands[0].zero_point
    height, width, _ = pool.output_shape(x.shape[1:])
    pads = pool.pads((x.shape[1], x.shape[2]))
    padded = pad(x + zero_point, pads)
    valid = pad(np.ones((1, *x.shape[1:3], 1), np.int64), pads)
    window = list(cells(pool.kernel, pool.strides, DENSE, (height, width)))
    count = np.sum([valid[where] for _, _, where in window], axis=0)
    total = np.sum([padded[where] for _, _, where in window], axis=0)
    if layer.arithmetic == "real":
        return _rint((total - zero_point * count) / count * _ratio(layer))
    return divide(total, count) - zero_point


def _rint(x: Array) -> Array:
    whole: Array = np.rint(x).astype(np.int64)
    return whole


def _ratio(layer: Quantized) -> float:
    return layer.operands[0].scale / layer.output.scale


def _mean(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """``y = (s_x / s_y) · Σ x / count``, by one fixed-point number.

    The division by count goes into the multiplier, shifted left as far as it fits.
    """
    x = inputs[0].reshape(len(inputs[0]), -1, inputs[0].shape[-1])
    total, count = x.sum(axis=1), x.shape[1]
    if layer.arithmetic == "real":
        return _rint(total / count * _ratio(layer))
    m, shift = encode_multiplier(layer.operands[0].scale / layer.output.scale)
    by = min(count.bit_length() - 1, 32, 31 + shift)
    m_over_count = np.asarray([(m << by) // count], np.int64)
    return multiply_fixed_point(total, m_over_count, np.asarray([shift - by]))


# -- of single elements ----------------------------------------------------------------


def _look_up(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """``y = table[q]``, of each channel its own where there are several."""
    (x,), table = inputs, weights["table"]
    operand = layer.operands[0]
    index = x + operand.zero_point - RANGES[operand.dtype][0]
    row = np.arange(len(table)) if len(table) > 1 else 0
    y: Array = table[row, index].astype(np.int64)
    return y


def _softmax(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """``y = e^{s(x − max)} / Σ e^{s(x − max)}``, in float32 summed from the left."""
    (x,) = inputs
    scale, output = np.float32(layer.operands[0].scale), layer.output
    powers = np.exp(-scale * np.arange(256, dtype=np.float32))
    e = powers[x.max(axis=-1, keepdims=True) - x]
    total = np.add.accumulate(e, axis=-1)[..., -1:]
    steps = e * (np.float32(1) / (total * np.float32(output.scale)))
    if layer.arithmetic == "real":
        return _rint(steps)
    if output.dtype == "uint8":
        return _rint(np.trunc(steps + np.float32(0.5)))
    return round_away(steps)


def _resize(layer: Quantized, inputs: list[Array], weights: Weights) -> Array:
    """Interpolate between rows and columns with weights of 10 bits."""
    resize: Any = layer.operation
    q = inputs[0] + layer.operands[0].zero_point
    size = resize.output_shape(q.shape[1:])[:2]
    (top, bottom, v), (left, right, h) = (
        map(np.asarray, ten_bit_taps(n, m, resize.coordinates))
        for n, m in zip(q.shape[1:3], size, strict=True)
    )
    v, h = v[:, None, None], h[:, None]
    upper = q[:, top][:, :, left] * (1024 - h) + q[:, top][:, :, right] * h
    lower = q[:, bottom][:, :, left] * (1024 - h) + q[:, bottom][:, :, right] * h
    total = upper * (1024 - v) + lower * v
    return divide(total, 2**20) - layer.operands[0].zero_point


_OPERATIONS: dict[type[Layer], Callable[..., Array]] = {
    pl.Add: _sum_or_difference(1),
    pl.AvgPool1D: _avg_pool1d,
    pl.AvgPool2D: _avg_pool2d,
    pl.Conv1D: _conv1d,
    pl.Conv2D: _conv2d,
    pl.ConvTranspose2D: _conv_transpose2d,
    pl.Dense: _dense,
    pl.GlobalAvgPool1D: _mean,
    pl.GlobalAvgPool2D: _mean,
    pl.Multiply: _product,
    pl.Pointwise: _look_up,
    pl.Rescale: _look_up,
    pl.Resize: _resize,
    pl.Softmax: _softmax,
    pl.Subtract: _sum_or_difference(-1),
}
