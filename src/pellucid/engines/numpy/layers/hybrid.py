"""Layers with integer weights between floats: integers made of each example's range.

References
----------
LiteRT's "dynamic range quantization", and its reference kernels for the order of
roundings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.engines.numpy.layers.integer_arithmetic import round_away
from pellucid.engines.numpy.layers.quantized import convolve, no_gradient
from pellucid.network.layers import Conv1D, Dense, Hybrid
from pellucid.network.layers.one_dimensional import expand_weight


def hybrid(
    layer: Hybrid, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """``y = s · weight scale · Σ q · w + b``, s and q of each example's range."""
    del mode
    x = inputs[0].astype(np.float32)
    operation: Any = layer.operation
    has_rows = isinstance(operation, Dense) and layer.form != "uint8"
    q, scale = _FORMS[layer.form](x, (-1,) if has_rows else tuple(range(1, x.ndim)))
    sums = _sums(operation, q, weights["weight"]).astype(np.float32)
    if layer.form == "asymmetric" and getattr(operation, "groups", 0) == 1:
        y = sums * weights["scale"] * scale
    else:
        y = sums * (scale * weights["scale"])
    if operation.bias:
        y = y + weights["bias"]
    return Forward(y.astype(inputs[0].dtype), no_gradient)


def _sums(operation: Any, q: Array, weight: Array) -> Array:
    if isinstance(operation, Dense):
        sums: Array = q.astype(np.int32) @ weight.astype(np.int32)
        return sums
    if isinstance(operation, Conv1D):
        wide = expand_weight("weight", weight)
        return convolve(operation.as_2d(), q[:, None], wide)[:, 0]
    return convolve(operation, q, weight)


def _symmetric(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return q from −127 to 127, and the step: the largest |x| / 127."""
    most = np.abs(x).max(axis=axes, keepdims=True)
    is_zero = most == 0
    most = np.where(is_zero, np.float32(127), most)
    q = round_away(x * (np.float32(127) / most))
    return np.clip(q, -127, 127), most / np.float32(127)


def _asymmetric(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return q counted from the zero point, and the step: the range / 255."""
    low = np.minimum(x.min(axis=axes, keepdims=True), 0)
    high = np.maximum(x.max(axis=axes, keepdims=True), 0)
    is_zero = low == high
    scale = np.where(is_zero, 1.0, (high - low).astype(np.float64) / 255)
    at_low, at_high = -128 - low / scale, 127 - high / scale
    is_lower = 128 + np.abs(low / scale) < 127 + np.abs(high / scale)
    point = np.clip(round_away(np.where(is_lower, at_low, at_high)), -128, 127)
    point = np.where(is_zero, 0, point).astype(np.float32)
    step = scale.astype(np.float32)
    inverse = (1.0 / step.astype(np.float64)).astype(np.float32)
    q = np.clip(round_away(point + x * inverse), -128, 127)
    return q - point, step


def _uint8(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return q counted from the zero point, and the step, as ONNX makes them."""
    low = np.minimum(x.min(axis=axes, keepdims=True), 0)
    high = np.maximum(x.max(axis=axes, keepdims=True), 0)
    step = (high - low) / np.float32(255)
    step = np.where(step == 0, np.float32(1), step)
    point = np.clip(np.rint(-low / step), 0, 255)
    return np.clip(np.rint(x / step) + point, 0, 255) - point, step


_FORMS = {"symmetric": _symmetric, "asymmetric": _asymmetric, "uint8": _uint8}
