"""Tables of LiteRT's integer operators of one value: its 256 outputs.

They are counted from the output's zero point, and made in the arithmetic in which
LiteRT makes them.

References
----------
LiteRT's kernels: ``activations.cc``, ``quantize.cc``, and the reference kernels of
concatenation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.registry import as_engine
from pellucid.exchange.int8.arithmetic import multiply_fixed_point
from pellucid.network import Network
from pellucid.network import layers as pl
from pellucid.network.expression.evaluate import compute
from pellucid.network.layers import Layer
from pellucid.network.quantization import Quantization, encode_multiplier

Array = npt.NDArray[Any]
Table = Callable[[Quantization, Quantization, Mapping[str, Any]], tuple[Layer, Array]]
_BINARY: dict[str, type[Layer]] = {
    "ADD": pl.Add,
    "MUL": pl.Multiply,
    "SUB": pl.Subtract,
}


def _inputs(x: Quantization) -> Array:
    """Return all integers of the type, counted from the zero point."""
    low, high = x.limits
    return np.arange(low, high + 1)


def _limit(y: Quantization, values: Any) -> Array:
    table: Array = np.clip(np.asarray(values), *y.limits).astype(np.int16)
    return table


def _round(x: Array) -> Array:
    return np.copysign(np.floor(np.abs(x.astype(np.float64)) + 0.5), x)


def rescale_table(x: Quantization, y: Quantization) -> Array:
    """Return integers at another scale, by float32."""
    scale = np.float32(x.scale) / np.float32(y.scale)
    q = (_inputs(x) + x.zero_point).astype(np.float32)
    bias = np.float32(-x.zero_point) * scale
    return _limit(y, _round(q * scale + bias))


def _formula(
    make: Callable[[Mapping[str, Any]], Layer], function: Callable[[Array], Array]
) -> Table:
    """A function in float32, rounded once."""

    def table(
        x: Quantization, y: Quantization, options: Mapping[str, Any]
    ) -> tuple[Layer, Array]:
        real = np.float32(x.scale) * _inputs(x).astype(np.float32)
        inverse = np.float32(1) / np.float32(y.scale)
        return make(options), _limit(y, _round(function(real) * inverse))

    return table


def _scaled(x: Quantization, real: float) -> Array:
    """Multiply all integers by a fixed-point number."""
    encoded = encode_multiplier(real)
    return np.asarray([multiply_fixed_point(int(q), *encoded) for q in _inputs(x)])


def _clip(layer: Callable[[], Layer], clamp: str) -> Table:
    def table(
        x: Quantization, y: Quantization, options: Mapping[str, Any]
    ) -> tuple[Layer, Array]:
        scaled = _scaled(x, float(np.float32(x.scale) / np.float32(y.scale)))
        return layer(), np.clip(scaled, *y.clamped(clamp)).astype(np.int16)

    return table


def _requantize(
    x: Quantization, y: Quantization, options: Mapping[str, Any]
) -> tuple[Layer, Array]:
    return pl.Rescale(), _limit(y, _scaled(x, x.scale / y.scale))


def _leaky_relu(
    x: Quantization, y: Quantization, options: Mapping[str, Any]
) -> tuple[Layer, Array]:
    alpha = np.float32(options["alpha"])
    s, t = np.float32(x.scale), np.float32(y.scale)
    plus, minus = _scaled(x, float(s / t)), _scaled(x, float(s * alpha / t))
    table = np.where(_inputs(x) >= 0, plus, minus)
    return pl.LeakyReLU(float(alpha)), _limit(y, table)


def _hard_swish(
    x: Quantization, y: Quantization, options: Mapping[str, Any]
) -> tuple[Layer, Array]:
    """``x · relu6(x + 3) / 6`` in integers of 16 bits.

    The gate is made at a scale of 3 / 2¹⁵, where it saturates by itself.
    """
    fine = np.float32(1 / 128) * np.float32(x.scale)
    out, out_shift = _encode_16(fine / np.float32(y.scale))
    gate, gate_shift = _encode_16(fine / np.float32(3 / 32768))
    high = _inputs(x).astype(np.int64) << 7
    scaled = _doubling_high(high, out)
    left = gate_shift - 1 if gate_shift > 0 else 0
    value = _saturate(high << left)
    value = _doubling_high(value, gate)
    value = _saturate(value << 1) if gate_shift > 0 else value
    value = _divide_power(value, -gate_shift) if gate_shift < 0 else value
    value = (value + (1 << 15)) >> 1
    product = np.trunc(value * scaled / (1 << 15)).astype(np.int64)
    return pl.HardSwish(), _limit(y, _divide_power(product, -out_shift))


def _encode_16(real: Any) -> tuple[int, int]:
    m, shift = encode_multiplier(float(real))
    return min((m + (1 << 15)) >> 16, 32767), shift


def _saturate(x: Array) -> Array:
    return np.clip(x, -32768, 32767)


def _doubling_high(x: Array, m: int) -> Array:
    """Return x · m / 2¹⁵, rounded, halves up in magnitude below zero."""
    product = x * m
    nudge = np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.trunc((product + nudge) / (1 << 15)).astype(np.int64)


def _divide_power(x: Array, by: int) -> Array:
    mask = (1 << by) - 1
    return (x >> by) + ((x & mask) > (mask >> 1) + (x < 0))


def _gelu(
    x: Quantization, y: Quantization, options: Mapping[str, Any]
) -> tuple[Layer, Array]:
    layer = pl.gelu_tanh() if options.get("approximate") else pl.GELU()
    return _formula(lambda _: layer, lambda v: compute(layer.expression, x=v))(
        x, y, options
    )


TABLES: dict[str, Table] = {
    "GELU": _gelu,
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _formula(
        lambda _: pl.Sigmoid(), lambda x: np.float32(1) / (np.float32(1) + np.exp(-x))
    ),
    "QUANTIZE": _requantize,
    "RELU": _clip(pl.ReLU, "relu"),
    "RELU6": _clip(pl.ReLU6, "relu6"),
    "RELU_N1_TO_1": _clip(lambda: pl.Clip(-1, 1), "relu_n1_to_1"),
    "TANH": _formula(lambda _: pl.Tanh(), np.tanh),
}


def with_constant(
    kind: str,
    x: Quantization,
    y: Quantization,
    constant: Array,
    other: Quantization,
    *,
    is_first: bool,
) -> tuple[Layer, Array]:
    """Return ADD, SUB or MUL with a constant as a layer, and a table per constant.

    The numpy engine computes all 256 sums or products with each number.

    Parameters
    ----------
    kind : str
    x, y : Quantization
        Of the input and the output.
    constant : array, shape (1,) or (channels,)
        Counted from its zero point.
    other : Quantization
        Of the constant.
    is_first : bool
        Whether the constant is the first operand.
    """
    operands = (other, x) if is_first else (x, other)
    count = len(constant)
    entries = [pl.Input(count, name=f"input_{i}") for i in range(2)]
    operation = pl.Quantized(_BINARY[kind](), operands, y)
    network = Network(inputs=entries, outputs=operation(*entries))
    given = [np.repeat(_inputs(x)[:, None], count, 1), np.tile(constant, (256, 1))]
    arrays = [array.astype(np.float32) for array in given]
    session = as_engine("numpy").build(network, state={})
    found = session.predict(tuple(arrays[::-1] if is_first else arrays))
    table = np.asarray(found).T.astype(np.int16)
    real = [float(np.float32(other.scale) * np.float32(c)) for c in constant]
    return _as_rescale(kind, real, is_first=is_first), np.ascontiguousarray(table)


def _as_rescale(kind: str, real: list[float], *, is_first: bool) -> Layer:
    """Return the float layer: ``x · c``, ``x + c``, ``x − c`` or ``c − x``."""
    numbers: Any = tuple(real) if len(real) > 1 else real[0]
    if kind == "MUL":
        return pl.Rescale(numbers, 0.0)
    sign = -1.0 if kind == "SUB" and not is_first else 1.0
    offset: Any = tuple(sign * n for n in real) if len(real) > 1 else sign * real[0]
    return pl.Rescale(-1.0 if kind == "SUB" and is_first else 1.0, offset)
