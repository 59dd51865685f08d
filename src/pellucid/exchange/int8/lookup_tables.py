"""Lookup tables of int8 elementwise operators: one output for each of 256 inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.int8.arithmetic import (
    HIGH,
    LOW,
    multiply_fixed_point,
    quantize_array,
)
from pellucid.exchange.litert.graph import Scales
from pellucid.network.quantization import encode_multiplier

Array = npt.NDArray[Any]
Table = Callable[[Scales, Scales, Mapping[str, Any]], Array]
_NUMBERS = range(LOW, HIGH + 1)
_ONE = 2**23  # of the softmax's exponentials


def _tabulate(formula: Callable[[float], float]) -> Table:
    """The formula in real numbers, rounded once."""

    def table(x: Scales, y: Scales, options: Mapping[str, Any]) -> Array:
        real = [formula((q - x.zero_point) * x.one) for q in _NUMBERS]
        return quantize_array(np.asarray(real), y)

    return table


def _tabulate_scaled(x: Scales, y: Scales, slope: float, low: int) -> Array:
    """Negative numbers times the slope, in whole numbers as LiteRT's kernels do it."""
    plus, minus = (encode_multiplier(x.one * s / y.one) for s in (1.0, slope))
    steps = [
        multiply_fixed_point(q - x.zero_point, *(plus if q >= x.zero_point else minus))
        for q in _NUMBERS
    ]
    table: Array = np.clip(np.asarray(steps) + y.zero_point, low, HIGH)
    return table


def _requantize(x: Scales, y: Scales, options: Mapping[str, Any]) -> Array:
    return _tabulate_scaled(x, y, 1.0, LOW)


def _relu(x: Scales, y: Scales, options: Mapping[str, Any]) -> Array:
    return _tabulate_scaled(x, y, 1.0, max(LOW, y.zero_point))


def _leaky_relu(x: Scales, y: Scales, options: Mapping[str, Any]) -> Array:
    return _tabulate_scaled(x, y, float(np.float32(options["alpha"])), LOW)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


TABLES: dict[str, Table] = {
    "GELU": _tabulate(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))),
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _tabulate(_sigmoid),
    "QUANTIZE": _requantize,
    "RELU": _relu,
    "TANH": _tabulate(math.tanh),
}


def tabulate_exponentials(x: Scales) -> Array:
    """Return exp(−d steps) for d = 0 … 255, in 2⁻²³."""
    return np.round(_ONE * np.exp(-x.one * np.arange(256.0)))
