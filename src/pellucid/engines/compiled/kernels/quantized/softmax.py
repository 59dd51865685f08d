"""Softmax of integers: exponentials by a table, sums in order."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import pixels
from pellucid.engines.compiled.kernels.layout import ImageLayout


@dataclass(frozen=True, slots=True)
class IntegerSoftmax:
    """How x and y lie; e^{−scale · n} for n = 0 … 255, the output's scale and ends.

    ``rounding`` names LLVM's function; ``truncates`` adds ½ and cuts instead.
    """

    x: ImageLayout
    y: ImageLayout
    powers: tuple[float, ...]
    scale: float
    rounding: str
    low: int
    high: int


@kernel(x="f32*", y="f32*")
def softmax(b: Builder, x: Pointer, y: Pointer, *, spec: IntegerSoftmax) -> None:
    """y = clip(round(e^{x − max} / (Σ e^{x − max} · scale)))."""
    powers = b.table(spec.powers, padded=256)
    channels = spec.x.channels

    def pixel(at: list[Pointer]) -> None:
        top, total = b.var(at[0].load()), b.var(0.0)
        with b.loop(channels) as c:
            top.set(b.larger(at[0].load(c), top.get()))
        peak = top.get()
        with b.loop(channels) as c:
            e = powers.load(b.i64(b.to_int(peak - at[0].load(c))))
            total.add(e)
            at[1].store(e, c)
        inverse = b.f32(1.0) / (total.get() * spec.scale)
        with b.loop(channels) as c:
            steps = b.var(at[1].load(c) * inverse).get()
            if spec.rounding == "truncate":
                rounded = b.call_intrinsic("llvm.trunc", steps + 0.5)
            else:
                rounded = b.call_intrinsic(spec.rounding, steps)
            kept = b.smaller(b.larger(rounded, float(spec.low)), float(spec.high))
            at[1].store(kept, c)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)
