"""Graphs of LiteRT's integer operators, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from integer_graphs import OneOperator, scales

from pellucid.exchange.litert.graph import Graph

_ZERO = {"int8": 4, "uint8": 119}
_RANDOM = np.random.default_rng(1)
_IMAGE = (5, 4, 3)


def convolution(
    kind: str,
    channels: int,
    outputs: int,
    *,
    dtype: str = "int8",
    is_per_channel: bool = True,
    kernel: int = 3,
    activation: int = 0,
    padding: int = 0,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    weight_zero: int = 0,
) -> Graph:
    """CONV_2D or DEPTHWISE_CONV_2D on 9 × 8 pixels; padding 0 is SAME, 1 VALID."""
    is_depthwise = kind == "DEPTHWISE_CONV_2D"
    shape = (1, kernel, kernel, outputs)
    if not is_depthwise:
        shape = (outputs, kernel, kernel, channels // groups)
    low = -127 if dtype == "int8" else 0
    weight = _RANDOM.integers(low, low + 255, shape).astype(dtype)
    steps = _RANDOM.uniform(0.01, 0.03, outputs if is_per_channel else 1)
    bias = _RANDOM.integers(-500, 500, outputs).astype(np.int32)
    options: dict[str, Any] = {
        "padding": padding,
        "stride_h": stride,
        "stride_w": stride,
        "fused_activation_function": activation,
        "dilation_h_factor": dilation,
        "dilation_w_factor": dilation,
    }
    if is_depthwise:
        options["depth_multiplier"] = outputs // channels
    lost = 0 if padding == 0 else (kernel - 1) * dilation
    size = [-(-(n - lost) // stride) for n in (9, 8)]
    terms = kernel * kernel * (1 if is_depthwise else channels // groups)
    zero = _ZERO[dtype]
    return (
        OneOperator(kind, **options)
        .input(9, 8, channels, dtype=dtype, scale=0.11, zero=zero)
        .constant(weight, scales(steps, weight_zero, 3 if is_depthwise else 0))
        .constant(bias, scales(steps * 0.11))
        .output(*size, outputs, dtype=dtype, scale=0.2 * terms**0.5, zero=zero - 7)
    )


def dense(dtype: str, is_per_channel: bool = False) -> Graph:
    low = -127 if dtype == "int8" else 0
    weight = _RANDOM.integers(low, low + 255, (40, 60)).astype(dtype)
    steps = _RANDOM.uniform(0.01, 0.03, 40 if is_per_channel else 1)
    bias = _RANDOM.integers(-500, 500, 40).astype(np.int32)
    return (
        OneOperator("FULLY_CONNECTED", fused_activation_function=0)
        .input(60, dtype=dtype, scale=0.11, zero=_ZERO[dtype])
        .constant(weight, scales(steps, 0 if dtype == "int8" else 130))
        .constant(bias, scales(steps * 0.11))
        .output(40, dtype=dtype, scale=1.5, zero=_ZERO[dtype] - 9)
    )


def transposed_convolution() -> Graph:
    weight = _RANDOM.integers(-127, 128, (4, 3, 3, 2)).astype(np.int8)
    steps = _RANDOM.uniform(0.01, 0.03, 4)
    bias = _RANDOM.integers(-100, 100, 4).astype(np.int32)
    options = {"padding": 1, "stride_h": 2, "stride_w": 2}
    return (
        OneOperator("TRANSPOSE_CONV", **options, fused_activation_function=0)
        .constant(np.asarray([1, 9, 11, 4], np.int32))
        .constant(weight, scales(steps))
        .input(4, 5, 2, scale=0.05, zero=4)
        .constant(bias, scales(steps * 0.05))
        .output(9, 11, 4, scale=0.2, zero=9)
    )


def binary(
    kind: str, dtype: str = "int8", *, second: Any = _IMAGE, activation: int = 0
) -> Graph:
    zero = _ZERO[dtype]
    return (
        OneOperator(kind, fused_activation_function=activation)
        .input(*_IMAGE, dtype=dtype, scale=0.11, zero=zero)
        .input(*second, dtype=dtype, scale=0.07, zero=zero + 8)
        .output(*_IMAGE, dtype=dtype, scale=0.9 if kind == "MUL" else 0.15, zero=zero)
    )


def with_constant(kind: str, shape: Any, *, is_first: bool = False) -> Graph:
    constant = _RANDOM.integers(-128, 128, shape).astype(np.int8)
    made = OneOperator(kind, fused_activation_function=int(is_first))
    if is_first:
        made.constant(constant, scales(0.03, 5))
    made.input(*_IMAGE, scale=0.05, zero=4)
    if not is_first:
        made.constant(constant, scales(0.03, 5))
    return made.output(*_IMAGE, scale=0.08, zero=-3)


def unary(
    kind: str,
    dtype: str = "int8",
    *,
    output: Any = _IMAGE,
    scale: float = 0.05,
    zero: int | None = None,
    constant: Any = None,
    **options: Any,
) -> Graph:
    """An operator of one value whose scale is 0.05."""
    own = _ZERO[dtype]
    made = OneOperator(kind, **options)
    made.input(*_IMAGE, dtype=dtype, scale=0.05, zero=own)
    if constant is not None:
        made.constant(np.asarray(constant, np.int32))
    goal = own if zero is None else zero
    return made.output(*output, dtype=dtype, scale=scale, zero=goal)


def pool(kind: str, dtype: str, *, size: int, padding: int, activation: int) -> Graph:
    return unary(
        kind,
        dtype,
        output=(3, 2, 3) if padding == 0 else ((7 - size) // 2, (6 - size) // 2, 3),
        padding=padding,
        stride_h=2,
        stride_w=2,
        filter_width=size,
        filter_height=size,
        fused_activation_function=activation,
    )


def concatenation(dtype: str, zero: int, scale: float = 0.05) -> Graph:
    own = _ZERO[dtype]
    return (
        OneOperator("CONCATENATION", axis=3, fused_activation_function=0)
        .input(*_IMAGE, dtype=dtype, scale=0.05, zero=own)
        .input(5, 4, 2, dtype=dtype, scale=scale, zero=zero)
        .output(5, 4, 5, dtype=dtype, scale=0.05, zero=own)
    )


def probability(kind: str, dtype: str, **options: Any) -> Graph:
    zero = -128 if dtype == "int8" else 0
    return unary(kind, dtype, scale=1 / 256, zero=zero, **options)


def mean(dtype: str, *, keep: bool, scale: float = 0.03) -> Graph:
    zero = _ZERO[dtype] - (11 if scale != 0.05 else 0)
    return unary(
        "MEAN",
        dtype,
        output=(1, 1, 3) if keep else (3,),
        scale=scale,
        zero=zero,
        constant=[1, 2],
        keep_dims=keep,
    )


def resized(kind: str, **flags: bool) -> Graph:
    return unary(kind, output=(7, 9, 3), constant=[7, 9], **flags)


_DEPTHWISE = "DEPTHWISE_CONV_2D"
_PADS = [[0, 0], [1, 1], [1, 2], [0, 0]]

CASES: dict[str, Callable[[], Graph]] = {
    "add": lambda: binary("ADD"),
    "add uint8 relu": lambda: binary("ADD", "uint8", activation=1),
    "add broadcast": lambda: binary("ADD", second=(1, 1, 3)),
    "add constant per channel": lambda: with_constant("ADD", (3,)),
    "average pool same": lambda: pool(
        "AVERAGE_POOL_2D", "int8", size=3, padding=0, activation=0
    ),
    "average pool uint8": lambda: pool(
        "AVERAGE_POOL_2D", "uint8", size=2, padding=1, activation=1
    ),
    "concatenation": lambda: concatenation("int8", 4),
    "concatenation of two scales": lambda: concatenation("uint8", 110, 0.061),
    "conv": lambda: convolution("CONV_2D", 64, 16),
    "conv groups": lambda: convolution("CONV_2D", 4, 6, groups=2, padding=1),
    "conv stride relu6": lambda: convolution(
        "CONV_2D", 3, 5, stride=2, activation=3, padding=1
    ),
    "conv per tensor relu": lambda: convolution(
        "CONV_2D", 3, 5, is_per_channel=False, activation=1, kernel=2
    ),
    "conv uint8": lambda: convolution(
        "CONV_2D", 3, 5, dtype="uint8", is_per_channel=False, weight_zero=117
    ),
    "dense": lambda: dense("int8"),
    "dense per channel": lambda: dense("int8", is_per_channel=True),
    "dense uint8": lambda: dense("uint8"),
    "depthwise dilated": lambda: convolution(_DEPTHWISE, 4, 8, dilation=2),
    "depthwise uint8": lambda: convolution(
        _DEPTHWISE,
        4,
        4,
        dtype="uint8",
        is_per_channel=False,
        stride=2,
        weight_zero=99,
    ),
    "hard swish": lambda: unary("HARD_SWISH", scale=0.03, zero=-20),
    "leaky relu": lambda: unary("LEAKY_RELU", scale=0.043, zero=-20, alpha=0.13),
    "logistic": lambda: probability("LOGISTIC", "int8"),
    "max pool relu": lambda: pool(
        "MAX_POOL_2D", "int8", size=2, padding=1, activation=1
    ),
    "mean": lambda: mean("int8", keep=False),
    "mean kept uint8": lambda: mean("uint8", keep=True),
    "mean of one scale": lambda: mean("int8", keep=True, scale=0.05),
    "multiply": lambda: binary("MUL"),
    "multiply uint8": lambda: binary("MUL", "uint8", activation=1),
    "multiply by a constant": lambda: with_constant("MUL", (), is_first=True),
    "pad": lambda: unary("PAD", output=(7, 7, 3), constant=_PADS),
    "quantize": lambda: unary("QUANTIZE", scale=0.03, zero=-20),
    "relu": lambda: unary("RELU", scale=0.03, zero=-20),
    "relu6": lambda: unary("RELU6", scale=0.03, zero=-20),
    "reshape": lambda: unary(
        "RESHAPE",
        output=(60,),
        constant=[-1, 60],
        new_shape=np.asarray([-1, 60], np.int32),
    ),
    "resize bilinear": lambda: resized(
        "RESIZE_BILINEAR", align_corners=False, half_pixel_centers=True
    ),
    "resize bilinear corners": lambda: resized(
        "RESIZE_BILINEAR", align_corners=True, half_pixel_centers=False
    ),
    "resize nearest": lambda: resized(
        "RESIZE_NEAREST_NEIGHBOR", align_corners=False, half_pixel_centers=True
    ),
    "softmax": lambda: probability("SOFTMAX", "int8", beta=1.0),
    "softmax uint8": lambda: probability("SOFTMAX", "uint8", beta=1.0),
    "subtract": lambda: binary("SUB"),
    "subtract from a constant": lambda: with_constant("SUB", (), is_first=True),
    "tanh uint8": lambda: unary("TANH", "uint8", scale=1 / 128, zero=128),
    "transposed conv": transposed_convolution,
}


def hybrid_convolution(
    kind: str, channels: int, outputs: int, *, is_per_channel: bool, activation: int = 0
) -> Graph:
    """A convolution of floats with a weight of int8; SAME."""
    is_depthwise = kind == _DEPTHWISE
    shape = (1, 3, 3, outputs) if is_depthwise else (outputs, 3, 3, channels)
    weight = _RANDOM.integers(-127, 128, shape).astype(np.int8)
    steps = _RANDOM.uniform(0.01, 0.03, outputs if is_per_channel else 1)
    bias = _RANDOM.normal(size=outputs).astype(np.float32)
    options: dict[str, Any] = {"padding": 0, "stride_h": 1, "stride_w": 1}
    options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    if is_depthwise:
        options["depth_multiplier"] = outputs // channels
    return (
        OneOperator(kind, **options, fused_activation_function=activation)
        .input(9, 8, channels, dtype="float32")
        .constant(weight, scales(steps, 0, 3 if is_depthwise else 0))
        .constant(bias)
        .output(9, 8, outputs, dtype="float32")
    )


def hybrid_dense(*, is_asymmetric: bool) -> Graph:
    weight = _RANDOM.integers(-127, 128, (9, 40)).astype(np.int8)
    options = {"asymmetric_quantize_inputs": is_asymmetric}
    return (
        OneOperator("FULLY_CONNECTED", **options, fused_activation_function=0)
        .input(40, dtype="float32")
        .constant(weight, scales(0.02))
        .constant(_RANDOM.normal(size=9).astype(np.float32))
        .output(9, dtype="float32")
    )


HYBRIDS: dict[str, Callable[[], Graph]] = {
    "conv": lambda: hybrid_convolution("CONV_2D", 3, 5, is_per_channel=False),
    "conv per channel relu6": lambda: hybrid_convolution(
        "CONV_2D", 32, 5, is_per_channel=True, activation=3
    ),
    "dense": lambda: hybrid_dense(is_asymmetric=False),
    "dense asymmetric": lambda: hybrid_dense(is_asymmetric=True),
    "depthwise": lambda: hybrid_convolution(_DEPTHWISE, 4, 8, is_per_channel=True),
}
