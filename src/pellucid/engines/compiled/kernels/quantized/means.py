"""Means of integers: of windows, and of whole images."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.pool.pool import (
    Pool,
    cells,
    count_cells,
    windows,
)
from pellucid.engines.compiled.kernels.quantized.scaling import (
    clip,
    divide,
    multiply,
)
from pellucid.engines.compiled.kernels.tile import Part


@dataclass(frozen=True, slots=True)
class WindowMean:
    """A window's mean of integers; ``ratio`` is that of the scales, 0 where equal."""

    pool: Pool
    zero_point: int
    ratio: float
    low: int
    high: int


@kernel(x="f32*", y="f32*")
def mean_of_window(
    b: Builder, x: Pointer, y: Pointer, *, spec: WindowMean, part: Part | None = None
) -> None:
    """y = the mean of a window's valid elements, rounded. A part is some rows of y.

    The integers are those with their zero point, which decides where halves go.
    """

    def window(i: Value, j: Value, at: Value, lanes: int, c: Value) -> None:
        kept = b.var(b.splat(0.0, lanes))

        def cell(offset: Value) -> None:
            kept.add((x + offset).vector(c, lanes=lanes))

        cells(b, spec.pool, (i, j), (spec.pool.x,), cell)
        count = b.splat(count_cells(b, spec.pool, i, j), lanes)
        if spec.ratio:
            mean = b.f64(kept.get()) / b.f64(count)
            scaled = mean * b.like(spec.ratio, mean)
            whole = b.to_long(b.call_intrinsic("llvm.roundeven", scaled))
        else:
            many = b.to_int(count)
            total = b.to_int(kept.get()) + many * spec.zero_point
            whole = b.extend(divide(b, total, many) - spec.zero_point)
        y.store(clip(b, whole, spec.low, spec.high), at + c)

    windows(b, spec.pool, window, part)


@dataclass(frozen=True, slots=True)
class ImageMean:
    """An image's mean: a fixed-point factor, or a real one where ``m`` is None."""

    x: ImageLayout
    m: int | None
    shift: int
    ratio: float
    low: int
    high: int


@kernel(x="f32*", y="f32*")
def mean_of_image(b: Builder, x: Pointer, y: Pointer, *, spec: ImageMean) -> None:
    """y = clip(round(factor · Σ x)); the sums of rows are exact in float32."""
    m = spec.x
    for start, lanes, many in spans(m.padded_channels, b.lanes):
        with b.loop(many) as k:
            channel = k * lanes + start
            total = b.var(b.to_int(b.zeros(lanes)))
            with b.loop(m.height) as i:
                row = b.var(b.zeros(lanes))
                at = x + (i * m.row + m.at(0, 0)) + channel
                with b.loop(m.width) as j:
                    row.add(at.vector(j * m.padded_channels, lanes=lanes))
                total.add(b.to_int(row.get()))
            if spec.m is None:
                real = b.to_double(total.get())
                count = b.like(float(m.height * m.width), real)
                scaled = real / count * b.like(spec.ratio, real)
                whole = b.to_long(b.call_intrinsic("llvm.roundeven", scaled))
            else:
                wide = b.extend(total.get())
                fixed = (b.like(n, wide) for n in (spec.m, spec.shift))
                whole = multiply(b, wide, *fixed, rounding="twice")
            y.store(clip(b, whole, spec.low, spec.high), channel)
