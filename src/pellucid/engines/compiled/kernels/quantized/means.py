"""Means of integers: of windows, and of whole images."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.pool.pool import (
    Pool,
    cells,
    count_cells,
    windows,
)
from pellucid.engines.compiled.kernels.quantized.code_scaling import (
    FixedPoint,
    round_even,
    scale,
)
from pellucid.engines.compiled.kernels.quantized.codes import Codes, store_codes
from pellucid.engines.compiled.kernels.quantized.scaling import divide
from pellucid.engines.compiled.kernels.tile import Part


@dataclass(frozen=True, slots=True)
class WindowMean:
    """A window's mean of codes; ``ratio`` is that of the scales, 0 where equal.

    ``zero`` is the code of 0 in x, ``out_zero`` in y.
    """

    pool: Pool
    zero: int
    out_zero: int
    zero_point: int
    ratio: float
    low: int
    high: int


@kernel(x="i8*", y="i8*")
def mean_of_window(
    b: Builder, x: Pointer, y: Pointer, *, spec: WindowMean, part: Part | None = None
) -> None:
    """y = the mean of a window's valid elements, rounded. A part is some rows of y.

    The integers are those with their zero point, which decides where halves go.
    """

    def window(i: Value, j: Value, at: Value, lanes: int, c: Value) -> None:
        kept = b.var(b.to_int(b.zeros(lanes)))

        def cell(offset: Value) -> None:
            kept.add(b.resize((x + offset).vector(c, lanes=lanes), "i32"))

        cells(b, spec.pool, (i, j), (spec.pool.x,), cell)
        count = b.splat(count_cells(b, spec.pool, i, j), lanes)
        many = b.to_int(count)
        if spec.ratio:
            mean = b.to_double(kept.get() - many * spec.zero) / b.f64(count)
            scaled = mean * b.like(spec.ratio, mean)
            whole = round_even(b, scaled, spec.low, spec.high)
        else:
            total = kept.get() + many * (spec.zero_point - spec.zero)
            whole = divide(b, total, many) - spec.zero_point
            whole = b.smaller(b.larger(whole, spec.low), spec.high)
        store_codes(b, y + (at + c), whole, spec.out_zero)

    windows(b, spec.pool, window, part)


@dataclass(frozen=True, slots=True)
class ImageMean:
    """An image's mean of codes: a fixed-point factor, or a real ratio of the scales."""

    x: Codes
    out_zero: int
    factor: FixedPoint | float
    low: int
    high: int


@kernel(x="i8*", y="i8*")
def mean_of_image(b: Builder, x: Pointer, y: Pointer, *, spec: ImageMean) -> None:
    """y = clip(round(factor · Σ x))."""
    m, factor = spec.x.map, spec.factor
    count = m.height * m.width
    for start, lanes, many in spans(m.padded_channels, b.lanes):
        with b.loop(many) as k:
            channel = k * lanes + start
            sums = b.var(b.to_int(b.zeros(lanes)))
            with b.loop(m.height) as i, b.loop(m.width) as j:
                at = x + (i * m.row + j * m.padded_channels + m.at(0, 0)) + channel
                sums.add(b.resize(at.vector(lanes=lanes), "i32"))
            total = sums.get() - count * spec.x.zero
            if isinstance(factor, FixedPoint):
                whole = scale(b, total, factor)
                whole = b.smaller(b.larger(whole, spec.low), spec.high)
            else:
                real = b.to_double(total)
                mean = real / b.like(float(count), real) * b.like(factor, real)
                whole = round_even(b, mean, spec.low, spec.high)
            store_codes(b, y + channel, whole, spec.out_zero)
