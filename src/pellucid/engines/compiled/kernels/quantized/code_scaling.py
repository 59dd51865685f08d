"""Sums of 32 bits to codes: what a register tile does before it writes its outputs.

A sum x becomes ``(x · m + c − [x · m < t] · 2³¹) >> s`` in integers of 64 bits:
LiteRT's multiplication by a fixed-point number, with both of its roundings in one
shift. ``⌊⌊y⌋ / k⌋ = ⌊y / k⌋`` joins the shifts; the second rounding takes halves away
from zero, which for negative sums is one less.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value
from pellucid.engines.compiled.codegen.types import element_of
from pellucid.engines.compiled.kernels.quantized.scaling import Rounding

Array = npt.NDArray[Any]
_NEVER, _ALL = -(2**63), 2**31 - 1
#: float32 numbers that the factors of a channel take
SIZE = 8


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A real factor: what a sum is multiplied with, and how the product is rounded.

    Sums beyond ``most`` come to the output's limit whatever they are.
    """

    m: int
    most: int
    c: int
    t: int
    s: int


def fixed_point(multiplier: int, shift: int, rounding: Rounding) -> FixedPoint:
    """Return the factor multiplier · 2^(shift − 31), rounded ``twice`` or ``once``."""
    left, right = max(shift, 0), max(-shift, 0)
    c, t = 2 ** (30 - shift), _NEVER
    if rounding == "twice" and right:
        c, t = c + 2**30, 0
    return FixedPoint(multiplier, 2 ** (30 - left) if left else _ALL, c, t, 31 - shift)


@dataclass(frozen=True, slots=True)
class CodeScaling:
    """How sums become codes: the rounding, the least and the largest integer, 0's code.

    ``channels`` is how many factors there are.
    """

    rounding: Rounding
    low: int
    high: int
    zero: int
    channels: int


def encode_factors(
    fixed: list[tuple[int, int]], rounding: Rounding, size: int, lanes: int
) -> Array:
    """Return multipliers and shifts of real factors as `Scaler` reads them.

    Of ``lanes`` numbers of 64 bits those with an even place come first.
    """
    factors = [fixed_point(*one, rounding) for one in fixed]
    factors += [fixed_point(0, 0, rounding)] * (size - len(factors))
    m, most, *wide = np.array([astuple(factor) for factor in factors], np.int64).T
    order = np.arange(size).reshape(-1, lanes // 2 or 1, min(lanes, 2)).swapaxes(1, 2)
    words = [part.astype(np.int32).view(np.float32) for part in (m, most)]
    longs = [part[order.ravel()].view(np.float32) for part in wide]
    return np.concatenate([*words, *longs])


@dataclass(frozen=True, slots=True)
class Scaler:
    """Brings the sums of some channels to codes, with what is loaded once for them."""

    b: Builder
    spec: CodeScaling
    factors: Pointer
    at: Number
    lanes: int

    def __call__(self, sums: list[Value]) -> list[Value]:
        """Return the codes, integers of 32 bits, of sums of the same channels."""
        make = self._real if self.spec.rounding == "real" else self._fixed
        return [whole + self.spec.zero for whole in make(sums)]

    def _real(self, sums: list[Value]) -> list[Value]:
        b, spec = self.b, self.spec
        factor = self.factors.cast("f64").vector(self.at, lanes=self.lanes)
        return [
            round_even(b, b.to_double(total) * factor, spec.low, spec.high)
            for total in sums
        ]

    def _row(self, element: str, row: int) -> Value:
        """Return a row of the factors; rows of 64 bits are behind two of 32."""
        start = self.factors.cast("i32") + row * self.spec.channels
        return start.cast(element).vector(self.at, lanes=self.lanes)

    def _fixed(self, sums: list[Value]) -> list[Value]:
        b, spec = self.b, self.spec
        most, factors = self._row("i32", 1), _split(b, self._row("i32", 0))
        rest = [self._halves(self._row("i64", row)) for row in (2, 4, 6)]
        made = []
        for total in sums:
            near = b.smaller(b.larger(total, most ^ -1), most)
            whole = _multiply(b, near, [factors, *rest])
            made.append(b.smaller(b.larger(whole, spec.low), spec.high))
        return made

    def _halves(self, wide: Value) -> list[Value]:
        """Return the two halves of a vector; of a single number that alone."""
        n, half = self.lanes, self.lanes // 2
        if n == 1:
            return [wide]
        return [
            self.b.shuffle(wide, wide, list(range(at, at + half))) for at in (0, half)
        ]


def scale(b: Builder, x: Value, factor: FixedPoint) -> Value:
    """Return integers of 32 bits times one factor."""
    if factor.most != _ALL:
        x = b.smaller(b.larger(x, -factor.most), factor.most)
    parts = _split(b, x)
    numbers = (factor.m, factor.c, factor.t, factor.s)
    return _multiply(b, x, [[b.like(n, part) for part in parts] for n in numbers])


def round_even(b: Builder, x: Value, low: int, high: int) -> Value:
    """Return the nearest integers of floats within limits, halves to the even one."""
    kept = b.smaller(b.larger(x, float(low)), float(high))
    is_double = str(element_of(x.type)) == "double"
    shift = 1.5 * 2.0 ** (52 if is_double else 23)  # behind it there are no fractions
    return b.to_int((kept + shift) - shift)


def round_away(b: Builder, x: Value, low: int, high: int) -> Value:
    """Return the same with halves away from zero."""
    kept = b.smaller(b.larger(x, float(low)), float(high))
    whole = b.to_int(kept)
    rest = kept - b.to_float(whole)
    one, zero = b.like(1, whole), b.like(0, whole)
    up, down = b.select(rest >= 0.5, one, zero), b.select(rest <= -0.5, one, zero)
    return whole + up - down


def _multiply(b: Builder, x: Value, factors: list[list[Value]]) -> Value:
    """Return x · m + c, less 2³¹ where x · m < t, shifted right by s."""
    parts = []
    for part, m, c, t, s in zip(_split(b, x), *factors, strict=True):
        product = part * m
        rounded = product + c
        lower = b.select(product < t, rounded - 2**31, rounded)
        parts.append(b.shift_right(lower, s))
    return _join(b, parts)


def _split(b: Builder, words: Value) -> list[Value]:
    """Return integers of 32 bits with 64: those of even places, then the others."""
    kind = words.type
    if not isinstance(kind, ir.VectorType) or kind.count == 1:
        return [b.extend(words)]
    if _takes_lower_half(b, kind.count):
        pairs = b.view_as(words, "i64")
        return [b.shift_right(pairs << 32, 32), b.shift_right(pairs, 32)]
    orders = (list(range(first, kind.count, 2)) for first in (0, 1))
    return [b.extend(b.shuffle(words, words, order)) for order in orders]


def _join(b: Builder, parts: list[Value]) -> Value:
    """Return integers of 64 bits as those of 32, in their order."""
    if len(parts) == 1:
        return b.resize(parts[0], "i32")
    half = parts[0].type.count
    if _takes_lower_half(b, 2 * half):
        low, high = (b.view_as(part, "i32") for part in (parts[0], parts[1] << 32))
        order = [i + (i % 2) * 2 * half for i in range(2 * half)]
        return b.shuffle(low, high, order)
    low, high = (b.resize(part, "i32") for part in parts)
    return b.shuffle(low, high, [i // 2 + (i % 2) * half for i in range(2 * half)])


def _takes_lower_half(b: Builder, lanes: int) -> bool:
    """Return whether the processor multiplies the lower halves of 64 bits."""
    return b.unit.is_x86 and lanes >= 4
