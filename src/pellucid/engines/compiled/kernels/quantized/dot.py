"""Dot products of four bytes, added to integers of 32 bits.

The first factor has no sign, the second has one: codes and weights. Every processor
gives the same sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import Builder, Pointer, Value

#: vnni, sdot: one instruction, of x86 and of ARM; pairs: two, of pairs of 16 bits;
#: plain: four products
Dot = Literal["vnni", "sdot", "pairs", "plain"]
#: vectors into which an operand is taken apart
PIECES: dict[Dot, int] = {"vnni": 1, "sdot": 1, "pairs": 2, "plain": 4}
_LOW_BYTES, _SIGNS = 0x00FF00FF, -0x7F7F7F80
_VNNI = {n: f"llvm.x86.avx512.vpdpbusd.{32 * n}" for n in (4, 8, 16)}
_PAIRS = {
    4: "llvm.x86.sse2.pmadd.wd",
    8: "llvm.x86.avx2.pmadd.wd",
    16: "llvm.x86.avx512.pmaddw.d.512",
}


#: what `DotProduct` takes from codes, as instructions for signed bytes alone need it
OFFSETS: dict[Dot, int] = {"vnni": 0, "sdot": 128, "pairs": 0, "plain": 0}


def dot_for(dot: Dot, lanes: int) -> Dot:
    """Return what there is for so many lanes."""
    return dot if lanes in _VNNI else "plain"


@dataclass(frozen=True, slots=True)
class DotProduct:
    """How ``lanes`` groups of four products are added up on one processor.

    Operands are vectors of integers of 32 bits, each four bytes.
    """

    b: Builder
    dot: Dot
    lanes: int

    def spread(self, place: Pointer) -> list[Value]:
        """Return four codes, in every lane."""
        word = self.b.view_as(place.vector(lanes=4), "i32")[0]
        return self.codes(self.b.splat(word, self.lanes))

    def codes(self, words: Value) -> list[Value]:
        """Return a vector of codes as `add` takes it."""
        if self.dot == "vnni":
            return [words]
        if self.dot == "sdot":
            return [words ^ _SIGNS]
        if self.dot == "pairs":
            return [
                self.b.view_as(part & _LOW_BYTES, "i16") for part in (words, words >> 8)
            ]
        return [(words >> (8 * k)) & 255 for k in range(4)]

    def weights(self, words: Value) -> list[Value]:
        """Return a vector of weights as `add` takes it."""
        b = self.b
        if self.dot in ("vnni", "sdot"):
            return [words]
        if self.dot == "pairs":
            pairs = b.view_as(words, "i16")
            return [b.shift_right(pairs << 8, 8), b.shift_right(pairs, 8)]
        return [b.shift_right(words << (24 - 8 * k), 24) for k in range(4)]

    def add(self, codes: list[Value], weights: list[Value], total: Value) -> Value:
        """Return total + Σ (codes − offset) · weights, lane by lane."""
        how: dict[Dot, Callable[[Value, Value, Value], Value]] = {
            "vnni": self._four,
            "sdot": self._four_signed,
            "pairs": self._two,
            "plain": lambda code, weight, sum_: sum_ + code * weight,
        }
        for code, weight in zip(codes, weights, strict=True):
            total = how[self.dot](code, weight, total)
        return total

    def _four(self, codes: Value, weights: Value, total: Value) -> Value:
        name = _VNNI[self.lanes]
        return self.b.call_named(name, total.type, total, codes, weights)

    def _four_signed(self, codes: Value, weights: Value, total: Value) -> Value:
        name = "llvm.aarch64.neon.sdot.v4i32.v16i8"
        parts = (self.b.view_as(part, "i8") for part in (codes, weights))
        return self.b.call_named(name, total.type, total, *parts)

    def _two(self, codes: Value, weights: Value, total: Value) -> Value:
        name = _PAIRS[self.lanes] if self.b.unit.is_x86 else "llvm.wasm.dot"
        return total + self.b.call_named(name, total.type, codes, weights)
