"""Products of two values as matrices, many of them, by register tiles.

A matrix lies in rows, each padded to whole vectors; the rows of a transposed first
matrix are read by their columns, a transposed second one is laid out in scratch
memory first, as the tile reads vectors along the columns of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.layout import pad_channels
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    Part,
    lanes_for,
    runs,
    split,
    tile,
    tile_shape,
)
from pellucid.engines.compiled.kernels.transpose import square


@dataclass(frozen=True, slots=True)
class Matrices:
    """Where matrices lie: the first element, elements to the next of each axis.

    ``steps`` are those of the leading axes, 0 where one matrix stands for all.
    """

    start: int
    steps: tuple[int, ...]
    row: int


@dataclass(frozen=True, slots=True)
class Product:
    """y = or += scale · a · b for each index of the leading axes.

    ``rows``, ``inner`` and ``columns`` are those of a product, as it is multiplied.
    """

    lead: tuple[int, ...]
    rows: int
    inner: int
    columns: int
    a: Matrices
    b: Matrices
    y: Matrices
    transpose_a: bool = False
    transpose_b: bool = False
    scale: float = 1.0
    accumulate: bool = False

    @property
    def count(self) -> int:
        """How many products there are."""
        return prod(self.lead)


def scratch_size(spec: Product, lanes: int) -> int:
    """Return how many elements of scratch `matmul` needs."""
    if not spec.transpose_b:
        return 0
    return pad_channels(spec.inner, lanes) * pad_channels(spec.columns, lanes)


@kernel(a="f32*", x="f32*", y="f32*", scratch="f32*")
def matmul(
    b: Builder,
    a: Pointer,
    x: Pointer,
    y: Pointer,
    scratch: Pointer,
    *,
    spec: Product,
    part: Part | None = None,
) -> None:
    """y[n] = or += scale · a[n] · x[n]; a part is some of the products."""
    first, last = part or (0, spec.count)
    with b.loop(last, start=first) as n:
        places = [
            place + (_offset(spec.lead, m.steps, n) + m.start)
            for place, m in ((a, spec.a), (x, spec.b), (y, spec.y))
        ]
        row = spec.b.row
        if spec.transpose_b:
            _transpose(b, places[1], scratch, spec)
            places[1], row = scratch, pad_channels(spec.columns, b.lanes)
        _multiply(b, (places[0], places[1], places[2]), row, spec)


def _offset(lead: Sequence[int], steps: Sequence[int], n: Value) -> Number:
    """Return where the n-th matrix is, the leading axes counted through."""
    total: Number = 0
    for i, (size, step) in enumerate(zip(lead, steps, strict=True)):
        if size == 1 or not step:
            continue
        index = n // prod(lead[i + 1 :])
        if i:
            index = index % size
        total = index * step + total
    return total


def _multiply(
    b: Builder, places: tuple[Pointer, Pointer, Pointer], b_row: int, spec: Product
) -> None:
    """Make one product tile by tile."""
    a, x, y = places
    row, step = (1, spec.a.row) if spec.transpose_a else (spec.a.row, 1)
    padded = pad_channels(spec.columns, b.lanes)
    lanes = lanes_for(b, padded)
    most, width = tile_shape(b, padded // lanes, spec.rows)
    for v, vectors, many in runs(split(padded // lanes, width)):
        for m, rows, times in runs(split(spec.rows, most)):
            with b.loop(many) as block, b.loop(times) as i:
                column, start = (block * vectors + v) * lanes, i * rows + m
                sums = tile(
                    b,
                    a + start * row,
                    x + column,
                    rows=[r * row for r in range(rows)],
                    vectors=vectors,
                    axes=[Axis(spec.inner, step, b_row)],
                    lanes=lanes,
                )
                to = y + (start * spec.y.row + column)
                for r, found in enumerate(sums):
                    for c, value in enumerate(found):
                        at = r * spec.y.row + c * lanes
                        made = value if spec.scale == 1 else value * spec.scale
                        if spec.accumulate:
                            made = made + to.vector(at, lanes=lanes)
                        to.store(made, at)


def _transpose(b: Builder, x: Pointer, to: Pointer, spec: Product) -> None:
    """Lay (columns, inner) out as (inner, columns), zeros behind the columns."""
    inner = pad_channels(spec.inner, b.lanes)
    padded = pad_channels(spec.columns, b.lanes)
    lanes = lanes_for(b, inner)
    kept = min(lanes, padded)

    def block(n: Number, k: Number, count: int) -> None:
        held = [
            x.vector((n + r) * spec.b.row + k, lanes=lanes)
            if r < count
            else b.zeros(lanes)
            for r in range(lanes)
        ]
        for i, column in enumerate(square(b, held)):
            whole = column
            if kept < lanes:
                whole = b.shuffle(column, column, list(range(kept)))
            to.store(whole, (k + i) * padded + n)

    whole = spec.columns // lanes * lanes
    with b.loop(inner, step=lanes) as k:
        with b.loop(whole, step=lanes) as n:
            block(n, k, lanes)
        if spec.columns > whole:
            block(whole, k, spec.columns - whole)
        end = whole + lanes * (spec.columns > whole)
        with b.loop(padded, start=min(end, padded), step=lanes) as n:
            for i in range(lanes):
                to.store(b.zeros(kept), (k + i) * padded + n)
