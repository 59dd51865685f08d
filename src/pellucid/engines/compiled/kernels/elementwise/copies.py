"""Copy, pad, crop, concatenate, add and upsample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
    sized,
    written_out,
)
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    sized_spans,
    spans,
    sweep,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Part


@dataclass(frozen=True, slots=True)
class Copy:
    """A rectangle of ``height × width × channels`` from x to y, each at a place.

    ``from_at`` and ``to_at`` are offsets of the rectangle's first number.
    """

    x: ImageLayout
    y: ImageLayout
    height: int
    width: int
    channels: int
    from_at: int
    to_at: int
    accumulate: bool = False


@dataclass(frozen=True, slots=True)
class CopyForm:
    """The same as runs of numbers, ``columns`` of them in a row."""

    rows: Number
    columns: Number
    run: Number
    x_row: Number
    y_row: Number
    x_column: Number
    y_column: Number
    from_at: Number
    to_at: Number
    rest: int
    accumulate: bool


def _copy_form(b: Builder, spec: Copy) -> CopyForm:
    x, y = spec.x, spec.y
    whole = spec.channels == x.column == y.column
    run = spec.channels * (spec.width if whole else 1)
    return CopyForm(
        rows=spec.height,
        columns=1 if whole else spec.width,
        run=run,
        x_row=x.row,
        y_row=y.row,
        x_column=x.column,
        y_column=y.column,
        from_at=spec.from_at,
        to_at=spec.to_at,
        rest=run % b.lanes,
        accumulate=spec.accumulate,
    )


@sized(_copy_form)
@written_out
@kernel(x="f32*", y="f32*")
def copy(
    b: Builder, x: Pointer, y: Pointer, *, spec: CopyForm, part: Part | None = None
) -> None:
    """y[rectangle] = or += x[rectangle]; a part is some of its rows."""
    first, last = part or (0, spec.rows)
    with b.loop(last, start=first) as i:
        rows = x + (i * spec.x_row + spec.from_at), y + (i * spec.y_row + spec.to_at)
        with b.loop(spec.columns) as j:
            px, py = rows[0] + j * spec.x_column, rows[1] + j * spec.y_column
            for start, lanes, many in sized_spans(b, spec.run, spec.rest):
                with b.loop(many) as k:
                    at = k * lanes + start
                    value = px.vector(at, lanes=lanes)
                    if spec.accumulate:
                        value = value + py.vector(at, lanes=lanes)
                    py.store(value, at)


@dataclass(frozen=True, slots=True)
class Sum:
    """Images of one size that are added; ReLU may follow."""

    x: ImageLayout
    other: ImageLayout
    y: ImageLayout
    has_relu: bool = False


@written_out
@kernel(x="f32*", other="f32*", y="f32*")
def add(
    b: Builder,
    x: Pointer,
    other: Pointer,
    y: Pointer,
    *,
    spec: Sum,
    part: Part | None = None,
) -> None:
    """y = f(x + other); f is ReLU or nothing. A part is some rows."""

    def body(lanes: int, at: list[Pointer]) -> None:
        value = at[0].vector(lanes=lanes) + at[1].vector(lanes=lanes)
        at[2].store(b.relu(value) if spec.has_relu else value)

    sweep(b, [(x, spec.x), (other, spec.other), (y, spec.y)], body, part)


@dataclass(frozen=True, slots=True)
class Product:
    """An image times a mask without a halo, both padded to the same channels."""

    x: ImageLayout
    mask: ImageLayout
    y: ImageLayout
    accumulate: bool = False


@kernel(x="f32*", mask="f32*", y="f32*")
def multiply(
    b: Builder, x: Pointer, mask: Pointer, y: Pointer, *, spec: Product
) -> None:
    """y = or += x · mask."""

    def body(lanes: int, at: list[Pointer]) -> None:
        value = at[0].vector(lanes=lanes) * at[1].vector(lanes=lanes)
        at[2].store(at[2].vector(lanes=lanes) + value if spec.accumulate else value)

    sweep(b, [(x, spec.x), (mask, spec.mask), (y, spec.y)], body)


@dataclass(frozen=True, slots=True)
class Run:
    """So many numbers side by side."""

    count: Number
    rest: int


def run_form(b: Builder, count: int) -> Run:
    """Return the form of kernels whose spec counts numbers."""
    return Run(count, count % b.lanes)


@sized(run_form)
@kernel(place="f32*")
def zero(b: Builder, place: Pointer, *, spec: Run) -> None:
    """Write so many zeros."""
    for start, lanes, many in sized_spans(b, spec.count, spec.rest):
        with b.loop(many) as k:
            place.store(b.zeros(lanes), k * lanes + start)


@dataclass(frozen=True, slots=True)
class Enlarge:
    """Rows and columns repeated (nearest) or interpolated (bilinear)."""

    x: ImageLayout
    y: ImageLayout
    factors: tuple[int, int]
    mode: Literal["nearest", "bilinear"]


@kernel(x="f32*", y="f32*")
def upsample_forward(
    b: Builder, x: Pointer, y: Pointer, *, spec: Enlarge, part: Part | None = None
) -> None:
    """y[i, j] = Σ over the 1 or 4 pixels of x around it; a part is some rows of y."""
    first, last = part or (0, spec.y.height)
    with b.loop(last, start=first) as i, b.loop(spec.y.width) as j:
        py = y + (i * spec.y.row + j * spec.y.padded_channels + spec.y.at(0, 0))
        around = _around(b, spec, i, j)
        for start, lanes, many in spans(spec.x.padded_channels, b.lanes):
            with b.loop(many) as k:
                at = k * lanes + start
                total = b.zeros(lanes)
                for offset, share in around:
                    value = (x + offset).vector(at, lanes=lanes)
                    if share is None:
                        total = value
                    else:
                        total = b.fma(b.splat(share, lanes), value, total)
                py.store(total, at)


@kernel(grad_y="f32*", grad_x="f32*")
def upsample_backward(
    b: Builder, grad_y: Pointer, grad_x: Pointer, *, spec: Enlarge
) -> None:
    """grad_x at the pixels around += their share of grad_y[i, j]."""
    with b.loop(spec.y.height) as i, b.loop(spec.y.width) as j:
        py = grad_y + (i * spec.y.row + j * spec.y.padded_channels + spec.y.at(0, 0))
        around = _around(b, spec, i, j)
        for start, lanes, many in spans(spec.x.padded_channels, b.lanes):
            with b.loop(many) as k:
                at = k * lanes + start
                grad = py.vector(at, lanes=lanes)
                for offset, share in around:
                    to = grad_x + offset
                    part = grad if share is None else grad * b.splat(share, lanes)
                    to.store(to.vector(at, lanes=lanes) + part, at)


def _around(
    b: Builder, spec: Enlarge, i: Value, j: Value
) -> list[tuple[Value, Value | None]]:
    """Return (offset in x, share) of the pixels that an output pixel is made of."""
    m = spec.x
    if spec.mode == "nearest":
        row, column = i // spec.factors[0], j // spec.factors[1]
        return [(row * m.row + column * m.padded_channels + m.at(0, 0), None)]
    rows = _between(b, i, spec.factors[0], m.height)
    columns = _between(b, j, spec.factors[1], m.width)
    return [
        (r * m.row + c * m.padded_channels + m.at(0, 0), p * q)
        for r, p in rows
        for c, q in columns
    ]


def _between(b: Builder, i: Value, factor: int, size: int) -> list[tuple[Value, Value]]:
    """Return the two pixels of one axis and their shares (half-pixel centres)."""
    at = (b.to_float(i) + 0.5) / float(factor) - 0.5
    at = b.select(at < 0.0, 0.0, at)
    at = b.select(at > float(size - 1), float(size - 1), at)
    low = b.i64(b.to_int(at))
    part = at - b.to_float(low)
    high = b.smaller(low + 1, size - 1)
    return [(low, 1.0 - part), (high, part)]
