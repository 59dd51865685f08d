"""Bilinear interpolation of integers, with weights of ten bits."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.quantized.codes import load_codes, store_codes
from pellucid.engines.compiled.kernels.quantized.scaling import divide

#: for each output row or column the two of the input, and the second one's 1024ths
Taps = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Interpolation:
    """How x and y lie, the taps of rows and columns, y's ends.

    ``offset`` is a code of x less its integer; ``zero`` and ``zero_point`` are y's.
    """

    x: ImageLayout
    y: ImageLayout
    rows: Taps
    columns: Taps
    offset: int
    zero: int
    zero_point: int
    low: int
    high: int


@kernel(x="i8*", y="i8*")
def interpolate(b: Builder, x: Pointer, y: Pointer, *, spec: Interpolation) -> None:
    """y = Σ of four pixels with their weights / 2²⁰, rounded."""
    m = spec.x
    rows, columns = (
        [b.table([float(n) for n in part], padded=len(part)) for part in taps]
        for taps in (spec.rows, spec.columns)
    )
    with b.loop(spec.y.height) as i, b.loop(spec.y.width) as j:
        top, bottom, v = (b.to_int(table.load(i)) for table in rows)
        left, right, h = (b.to_int(table.load(j)) for table in columns)
        at = [
            [
                x + (b.i64(p) * m.row + b.i64(q) * m.padded_channels + m.at(0, 0))
                for q in (left, right)
            ]
            for p in (top, bottom)
        ]
        out = i * spec.y.row + j * spec.y.padded_channels + spec.y.at(0, 0)
        for start, lanes, many in spans(m.padded_channels, b.lanes):
            with b.loop(many) as k:
                c = k * lanes + start

                def row(pair: list[Pointer], c: Value = c, lanes: int = lanes) -> Value:
                    a, z = (load_codes(b, p + c, spec.offset, lanes) for p in pair)
                    share = b.splat(h, lanes)
                    return a * (b.like(1024, share) - share) + z * share

                share = b.splat(v, lanes)
                upper, lower = row(at[0]), row(at[1])
                total = upper * (b.like(1024, share) - share) + lower * share
                mean = divide(b, total, b.like(2**20, total)) - spec.zero_point
                kept = b.smaller(b.larger(mean, spec.low), spec.high)
                store_codes(b, y + (out + c), kept, spec.zero)
