"""Softmax of integers: exponentials by a table, sums in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.codegen.types import I32
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import pixels
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.quantized.code_scaling import (
    round_away,
    round_even,
)
from pellucid.engines.compiled.kernels.quantized.codes import store_codes


@dataclass(frozen=True, slots=True)
class IntegerSoftmax:
    """How x and y lie; e^{−scale · n} for n = 0 … 255, the output's scale and ends.

    ``zero`` is the code of 0 in y. Halves go ``up``, ``away`` from zero or to the
    ``even`` integer; outputs are not negative, so that up is away but for the float
    to which ½ is added.
    """

    x: ImageLayout
    y: ImageLayout
    zero: int
    powers: tuple[float, ...]
    scale: float
    rounding: Literal["up", "away", "even"]
    low: int
    high: int


@kernel(x="i8*", y="i8*")
def softmax(b: Builder, x: Pointer, y: Pointer, *, spec: IntegerSoftmax) -> None:
    """y = clip(round(e^{x − max} / (Σ e^{x − max} · scale))), as codes."""
    powers = b.table(spec.powers, padded=256)
    channels, ends = spec.x.channels, (spec.low, spec.high)

    def to_whole(steps: Value) -> Value:
        if spec.rounding == "even":
            return round_even(b, steps, *ends)
        if spec.rounding == "away":
            return round_away(b, steps, *ends)
        kept = b.smaller(b.larger(steps + 0.5, float(spec.low)), float(spec.high))
        return b.to_int(kept)

    def pixel(at: list[Pointer]) -> None:
        top, total = b.var(b.const(0, I32)), b.var(0.0)
        with b.loop(channels) as c:
            top.set(b.larger(b.resize(at[0].load(c), "i32"), top.get()))
        peak = top.get()

        def power(c: Value) -> Value:
            code = b.resize(at[0].load(c), "i32")
            return powers.load(b.i64(peak - code))

        with b.loop(channels) as c:
            total.add(power(c))
        inverse = b.f32(1.0) / (total.get() * spec.scale)
        with b.loop(channels) as c:
            steps = b.product(power(c), inverse)
            store_codes(b, at[1] + c, to_whole(steps), spec.zero)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)
