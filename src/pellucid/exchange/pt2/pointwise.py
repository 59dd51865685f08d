"""PyTorch operators that are one function of each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.graph.arithmetic import extreme
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network import layers as pl
from pellucid.network.expression import math
from pellucid.network.layers import Layer

#: operator → its layer, where it has no arguments
NATIVE: dict[str, type[Layer]] = {
    "hardsigmoid": pl.HardSigmoid,
    "hardswish": pl.HardSwish,
    "mish": pl.Mish,
    "relu": pl.ReLU,
    "relu6": pl.ReLU6,
    "sigmoid": pl.Sigmoid,
    "silu": pl.SiLU,
    "tanh": pl.Tanh,
}


def _native(kind: type[Layer]) -> Callable[[OperatorView], Tensor]:
    return lambda op: op.builder.elementwise(op.ref, op.tensor("self"), kind())


def _leaky_relu(op: OperatorView) -> Tensor:
    layer = pl.LeakyReLU(float(op.get("negative_slope", 0.01)))
    return op.builder.elementwise(op.ref, op.tensor("self"), layer)


def _rrelu(op: OperatorView) -> Tensor:
    """Random slopes, which are their mean in evaluation."""
    op.only(training=False)
    slope = (float(op.get("lower", 1 / 8)) + float(op.get("upper", 1 / 3))) / 2
    layer = pl.LeakyReLU(slope)
    return op.builder.elementwise(op.ref, op.tensor("self"), layer)


def _clamp(op: OperatorView) -> Tensor:
    """Clamp; from 0 on it is a ReLU, up to 6 a ReLU6."""
    limits = [op.get("min", op.get("min_val")), op.get("max", op.get("max_val"))]
    x = op.tensor("self")
    for place, (part, is_low) in enumerate((("min", True), ("max", False))):
        value = limits[place]
        if isinstance(value, Tensor):
            given = op.ref.part(part)
            x = extreme(op.builder, given, [x, value], is_largest=is_low)
            limits[place] = None
        elif isinstance(value, np.ndarray) and value.size == 1:
            limits[place] = float(value.reshape(-1)[0])
        elif not (value is None or isinstance(value, int | float)):
            op.refuse("clamp between numbers or values", type(value).__name__)
    return op.builder.clip(op.ref, x, *limits)


def _hardtanh(op: OperatorView) -> Tensor:
    low, high = float(op.get("min_val", -1.0)), float(op.get("max_val", 1.0))
    return op.builder.clip(op.ref, op.tensor("self"), low, high)


def _elu(op: OperatorView) -> Tensor:
    """ELU, and with its two scales SELU and CELU."""
    alpha, scale = float(op.get("alpha", 1.0)), float(op.get("scale", 1.0))
    inner = float(op.get("input_scale", 1.0))
    if scale == inner == 1:
        return op.builder.elementwise(op.ref, op.tensor("self"), pl.ELU(alpha))
    return _expression(
        op,
        lambda x: scale * math.where(x > 0, x, alpha * math.expm1(inner * x)),
    )


def _selu(op: OperatorView) -> Tensor:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return _expression(
        op, lambda x: scale * math.where(x > 0, x, alpha * math.expm1(x))
    )


def _celu(op: OperatorView) -> Tensor:
    alpha = float(op.get("alpha", 1.0))
    return _expression(
        op, lambda x: math.where(x > 0, x, alpha * math.expm1(x / alpha))
    )


def _softplus(op: OperatorView) -> Tensor:
    beta, threshold = float(op.get("beta", 1.0)), float(op.get("threshold", 20.0))
    if threshold < 15:  # from there on, float32's logarithm is x itself
        op.refuse("have a threshold of at least 15", threshold)
    if beta == 1:
        return op.builder.elementwise(op.ref, op.tensor("self"), pl.Softplus())
    return _expression(op, lambda x: math.softplus(beta * x) / beta)


def _expression(op: OperatorView, function: Callable[..., Any]) -> Tensor:
    return op.builder.elementwise(op.ref, op.tensor("self"), pl.Elementwise(function))


def _gelu(op: OperatorView) -> Tensor:
    if op.get("approximate", "none") == "none":
        return op.builder.elementwise(op.ref, op.tensor("self"), pl.GELU())
    op.only(approximate="tanh")
    return op.builder.elementwise(op.ref, op.tensor("self"), pl.gelu_tanh())


def _threshold(op: OperatorView) -> Tensor:
    end, value = float(op.get("threshold")), float(op.get("value"))
    return _expression(op, lambda x: math.where(x > end, x, value))


def _hardshrink(op: OperatorView) -> Tensor:
    end = float(op.get("lambd", 0.5))
    return _expression(op, lambda x: math.where(math.abs(x) > end, x, 0))


def _softshrink(op: OperatorView) -> Tensor:
    end = float(op.get("lambd", 0.5))
    return _expression(
        op, lambda x: math.where(x > end, x - end, math.where(x < -end, x + end, 0))
    )


def _plain(function: Callable[..., Any]) -> Callable[[OperatorView], Tensor]:
    return lambda op: _expression(op, function)


#: operator → its function, where it has no arguments
_PLAIN: dict[str, Callable[..., Any]] = {
    "abs": math.abs,
    "absolute": math.abs,
    "erf": math.erf,
    "erfc": lambda x: 1 - math.erf(x),
    "exp": math.exp,
    "expm1": math.expm1,
    "log10": lambda x: math.log(x) * 0.4342944819032518,
    "log1p": math.log1p,
    "log2": lambda x: math.log(x) * 1.4426950408889634,
    "log_sigmoid": lambda x: -math.softplus(-x),
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "softsign": lambda x: x / (1 + math.abs(x)),
    "sqrt": math.sqrt,
    "square": lambda x: x * x,
    "tanhshrink": lambda x: x - math.tanh(x),
}
_FUNCTIONS: dict[str, Callable[[OperatorView], Tensor]] = {
    **{name: _native(kind) for name, kind in NATIVE.items()},
    **{name: _plain(made) for name, made in _PLAIN.items()},
    "hardshrink": _hardshrink,
    "softshrink": _softshrink,
    "threshold": _threshold,
    "celu": _celu,
    "clamp": _clamp,
    "clamp_max": _clamp,
    "clamp_min": _clamp,
    "clip": _clamp,
    "elu": _elu,
    "gelu": _gelu,
    "hardtanh": _hardtanh,
    "leaky_relu": _leaky_relu,
    "rrelu": _rrelu,
    "selu": _selu,
    "softplus": _softplus,
}
#: with those that work in place
READERS = {**_FUNCTIONS, **{f"{name}_": read for name, read in _FUNCTIONS.items()}}
