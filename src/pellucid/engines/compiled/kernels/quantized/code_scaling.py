"""Sums of 32 bits to codes: what a register tile does before it writes its outputs.

A sum x becomes ``(x · m + c − [x · m < t] · 2³¹) >> s`` in integers of 64 bits:
LiteRT's multiplication by a fixed-point number, with both of its roundings in one
shift. ``⌊⌊y⌋ / k⌋ = ⌊y / k⌋`` joins the shifts; the second rounding takes halves away
from zero, which for negative sums is one less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value
from pellucid.engines.compiled.kernels.quantized.scaling import Rounding

Array = npt.NDArray[Any]
_NEVER = -(2**63)
#: float32 numbers that the factors of a channel take
SIZE = 8


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
    m, most, c, t, s = (np.zeros(size, np.int64) for _ in range(5))
    most += 2**31 - 1
    s += 31
    for i, (multiplier, shift) in enumerate(fixed):
        left, right = max(shift, 0), max(-shift, 0)
        m[i], s[i] = multiplier, 31 - shift
        c[i] = 2 ** (30 - shift)
        t[i] = _NEVER
        if left:  # beyond, the output is at its limit
            most[i] = 2 ** (30 - left)
        if rounding == "twice" and right:
            c[i] += 2**30
            t[i] = 0
    order = np.arange(size).reshape(-1, lanes // 2 or 1, min(lanes, 2)).swapaxes(1, 2)
    wide = [part[order.ravel()].view(np.float32) for part in (c, t, s)]
    return np.concatenate([_words(m), _words(most), *wide])


def _words(array: Array) -> Array:
    return array.astype(np.int32).view(np.float32)


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
        made = []
        for total in sums:
            real = b.to_double(total) * factor
            kept = b.smaller(b.larger(real, float(spec.low)), float(spec.high))
            made.append(b.to_int(b.call_intrinsic("llvm.roundeven", kept)))
        return made

    def _row(self, element: str, row: int) -> Value:
        """Return a row of the factors; rows of 64 bits are behind two of 32."""
        at = self.at if element == "i32" else self.b.i64(self.at)
        first = row * self.spec.channels
        start = self.factors.cast("i32") + first
        return start.cast(element).vector(at, lanes=self.lanes)

    def _fixed(self, sums: list[Value]) -> list[Value]:
        b, spec = self.b, self.spec
        m, most = self._row("i32", 0), self._row("i32", 1)
        halves = [self._halves_of(self._row("i64", row)) for row in (2, 4, 6)]
        factors = self._parts(m)
        made = []
        for total in sums:
            near = b.smaller(b.larger(total, most ^ -1), most)
            parts = []
            for x, factor, c, t, s in zip(
                self._parts(near), factors, *halves, strict=True
            ):
                scaled = x * factor
                rounded = scaled + c
                lower = b.select(scaled < t, rounded - 2**31, rounded)
                parts.append(b.shift_right(lower, s))
            whole = self._join(parts)
            made.append(b.smaller(b.larger(whole, spec.low), spec.high))
        return made

    def _halves_of(self, wide: Value) -> list[Value]:
        """Return the two halves of a vector; of a single number that alone."""
        n, half = self.lanes, self.lanes // 2
        if n == 1:
            return [wide]
        return [
            self.b.shuffle(wide, wide, list(range(at, at + half))) for at in (0, half)
        ]

    def _parts(self, words: Value) -> list[Value]:
        """Return integers of 32 bits with 64: those of even places, then the others."""
        b = self.b
        if self.lanes == 1:
            return [b.extend(words)]
        if b.unit.is_x86 and self.lanes >= 4:  # whose products take the lower half
            pairs = b.view_as(words, "i64")
            return [b.shift_right(pairs << 32, 32), b.shift_right(pairs, 32)]
        lists = (list(range(first, self.lanes, 2)) for first in (0, 1))
        return [b.extend(b.shuffle(words, words, order)) for order in lists]

    def _join(self, parts: list[Value]) -> Value:
        b = self.b
        if self.lanes == 1:
            return b.resize(parts[0], "i32")
        half = self.lanes // 2
        if b.unit.is_x86 and self.lanes >= 4:
            low, high = (b.view_as(part, "i32") for part in (parts[0], parts[1] << 32))
            order = [i + (i % 2) * self.lanes for i in range(self.lanes)]
            return b.shuffle(low, high, order)
        low, high = (b.resize(part, "i32") for part in parts)
        return b.shuffle(
            low, high, [i // 2 + (i % 2) * half for i in range(self.lanes)]
        )
