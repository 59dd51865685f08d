"""Sums of integers to the output's step: fixed-point multiplication and rounding.

References
----------
Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", section 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value

#: twice: in two steps, each rounded; once: in one; real: by a float of 64 bits
Rounding = Literal["twice", "once", "real"]
#: rows of a factor in memory: multiplier and shift
ROWS = 2


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a sum becomes an output: how it is rounded, and the output's ends."""

    rounding: Rounding
    low: int
    high: int
    stride: int  # elements from one row of the factors to the next


def scale_sums(
    b: Builder, sums: Value, factors: Pointer, at: Number, spec: Scaling
) -> Value:
    """Return clip(round(sums · factor)) as floats; a factor for each lane.

    ``sums`` are integers of 32 bits.
    """
    lanes = sums.type.count
    if spec.rounding == "real":
        real = factors.cast("f64").vector(at, lanes=lanes)
        rounded = b.call_intrinsic("llvm.roundeven", b.to_double(sums) * real)
        whole = b.to_long(rounded)
    else:
        m, shift = (
            b.extend(factors.cast("i32").vector(b.i64(at) + row, lanes=lanes))
            for row in (0, spec.stride)
        )
        whole = multiply(b, b.extend(sums), m, shift, rounding=spec.rounding)
    return clip(b, whole, spec.low, spec.high)


def multiply(
    b: Builder, x: Value, m: Value, shift: Value, *, rounding: Rounding
) -> Value:
    """Return x · m · 2^(shift − 31), rounded; all are integers of 64 bits."""
    one = b.like(1, x)
    if rounding == "once":
        by = b.like(31, x) - shift
        return b.shift_right(x * m + (one << (by - 1)), by)
    left, right = b.larger(shift, 0), b.larger(-shift, 0)
    high = b.shift_right(((x * m) << left) + 2**30, 31)
    mask = (one << right) - 1
    half = (mask >> 1) + b.select(high < 0, one, b.like(0, x))
    up = b.select((high & mask) > half, one, b.like(0, x))
    return b.shift_right(high, right) + up


def clip(b: Builder, whole: Value, low: int, high: int) -> Value:
    """Return integers within limits as floats."""
    kept = b.smaller(b.larger(whole, low), high)
    return b.to_float(b.resize(kept, "i32"))


def divide(b: Builder, total: Value, count: Value) -> Value:
    """Return total / count, rounded with halves away from zero; both of 32 bits."""
    size = b.select(total < 0, -total, total)
    quotient = (size + (count >> 1)) // count
    return b.select(total < 0, -quotient, quotient)
