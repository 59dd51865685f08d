"""Pooling: forward and backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import clear, spans
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Part

Pair = tuple[int, int]
#: cells up to which a window's code is written out
MOST_CELLS = 9


@dataclass(frozen=True, slots=True)
class Pool:
    """A window that slides over x; ``top_left`` cells of padding stand before it."""

    kind: Literal["max", "avg"]
    x: ImageLayout
    y: ImageLayout
    kernel: Pair
    stride: Pair
    top_left: Pair = (0, 0)

    @property
    def is_inside(self) -> bool:
        """Whether no window reaches beyond the image."""
        sizes = zip(
            (self.x.height, self.x.width),
            (self.y.height, self.y.width),
            self.kernel,
            self.stride,
            self.top_left,
            strict=True,
        )
        return all(p == 0 and (o - 1) * s + k <= n for n, o, k, s, p in sizes)

    @property
    def is_apart(self) -> bool:
        """Whether windows lie inside the image, side by side."""
        return self.is_inside and self.kernel == self.stride


def cells(
    b: Builder,
    spec: Pool,
    window: tuple[Value, Value],
    maps: tuple[ImageLayout, ...],
    body: Callable[..., None],
) -> None:
    """Call body with each cell's offset in images of x's size, in reading order."""
    (i, j), is_few = window, spec.kernel[0] * spec.kernel[1] <= MOST_CELLS
    if spec.is_inside and is_few:
        _whole_window(spec, window, maps, body)
        return
    rooms = [
        size - kernel + 1
        for size, kernel in zip((spec.x.height, spec.x.width), spec.kernel, strict=True)
    ]
    if not is_few or min(rooms) < 1:
        _cut_window(b, spec, window, maps, body)
        return
    down, across = (
        (at * stride - before).unsigned_below(room)
        for at, stride, before, room in zip(
            (i, j), spec.stride, spec.top_left, rooms, strict=True
        )
    )
    is_whole = b.select(down, b.select(across, b.i64(1), b.i64(0)), b.i64(0))
    with b.when(is_whole > 0):
        _whole_window(spec, window, maps, body)
    with b.when(is_whole < 1):
        _cut_window(b, spec, window, maps, body)


def _whole_window(
    spec: Pool,
    window: tuple[Value, Value],
    maps: tuple[ImageLayout, ...],
    body: Callable[..., None],
) -> None:
    """Call body with each cell of a window that lies inside the image."""
    (i, j), (top, left) = window, spec.top_left
    corner = [
        i * (spec.stride[0] * m.row) + j * (spec.stride[1] * m.padded_channels)
        for m in maps
    ]
    for u in range(spec.kernel[0]):
        for v in range(spec.kernel[1]):
            at = (m.at(u - top, v - left) for m in maps)
            body(*(c + place for c, place in zip(corner, at, strict=True)))


def _cut_window(
    b: Builder,
    spec: Pool,
    window: tuple[Value, Value],
    maps: tuple[ImageLayout, ...],
    body: Callable[..., None],
) -> None:
    """Call body with each cell of a window that the image's edge may cut."""
    i, j = window
    rows = _range(b, i, 0, spec, spec.x.height)
    columns = _range(b, j, 1, spec, spec.x.width)
    with b.loop(rows[1], start=rows[0]) as y, b.loop(columns[1], start=columns[0]) as x:
        body(*(y * m.row + x * m.padded_channels + m.at(0, 0) for m in maps))


def _range(
    b: Builder, i: Value, axis: int, spec: Pool, size: int
) -> tuple[Value, Value]:
    """Return the rows (or columns) of x in window i: from, to."""
    first = i * spec.stride[axis] - spec.top_left[axis]
    return b.larger(first, 0), b.smaller(first + spec.kernel[axis], size)


def count_cells(b: Builder, spec: Pool, i: Value, j: Value) -> Value:
    """Return how many cells of a window are valid."""
    if spec.is_inside:
        return b.f32(float(spec.kernel[0] * spec.kernel[1])) * b.f32(1.0)
    rows = _range(b, i, 0, spec, spec.x.height)
    columns = _range(b, j, 1, spec, spec.x.width)
    return b.to_float((rows[1] - rows[0]) * (columns[1] - columns[0]))


def windows(
    b: Builder,
    spec: Pool,
    body: Callable[[Value, Value, Value, int, Value], None],
    part: Part | None = None,
) -> None:
    """Call body(i, j, offset in y, lanes, channel) for each window's vectors."""
    first, last = part or (0, spec.y.height)
    with b.loop(last, start=first) as i, b.loop(spec.y.width) as j:
        at = i * spec.y.row + j * spec.y.padded_channels + spec.y.at(0, 0)
        for start, lanes, many in spans(spec.y.padded_channels, b.lanes):
            with b.loop(many) as k:
                body(i, j, at, lanes, k * lanes + start)


@kernel(x="f32*", y="f32*")
def pool_forward(
    b: Builder, x: Pointer, y: Pointer, *, spec: Pool, part: Part | None = None
) -> None:
    """y = the largest of each window (NaN wins), or the mean of its valid cells.

    A part is some rows of y.
    """

    def window(i: Value, j: Value, at: Value, lanes: int, c: Value) -> None:
        is_max = spec.kind == "max"
        kept = b.var(b.splat(float("-inf") if is_max else 0.0, lanes))

        def cell(offset: Value) -> None:
            value = (x + offset).vector(c, lanes=lanes)
            kept.set(b.maximum(kept.get(), value) if is_max else kept.get() + value)

        cells(b, spec, (i, j), (spec.x,), cell)
        result = kept.get()
        if not is_max:
            result = result / b.splat(count_cells(b, spec, i, j), lanes)
        y.store(result, at + c)

    windows(b, spec, window, part)


@kernel(x="f32*", y="f32*", grad_y="f32*", grad_x="f32*")
def max_pool_backward(
    b: Builder,
    x: Pointer,
    y: Pointer,
    grad_y: Pointer,
    grad_x: Pointer,
    *,
    spec: MaxBack,
) -> None:
    """grad_x at each window's first maximum = or += grad_y."""
    pool = spec.pool
    if spec.begins:
        _clear_rest(b, grad_x, spec)

    def window(i: Value, j: Value, at: Value, lanes: int, c: Value) -> None:
        top = y.vector(at + c, lanes=lanes)
        row = (
            i * spec.grad_y.row + j * spec.grad_y.padded_channels + spec.grad_y.at(0, 0)
        )
        waiting = b.var(grad_y.vector(row + c, lanes=lanes))

        def cell(offset: Value, target: Value) -> None:
            value = (x + offset).vector(c, lanes=lanes)
            wins = value.equals(top)
            to = grad_x + target
            mine = b.select(wins, waiting.get(), 0.0)
            to.store(mine if spec.begins else to.vector(c, lanes=lanes) + mine, c)
            waiting.set(b.select(wins, b.zeros(lanes), waiting.get()))

        cells(b, pool, (i, j), (pool.x, spec.grad_x), cell)

    windows(b, pool, window)


@dataclass(frozen=True, slots=True)
class MaxBack:
    """A max-pool and how the derivatives lie.

    ``begins``: grad_x is written, not added to; windows lie side by side.
    """

    pool: Pool
    grad_y: ImageLayout
    grad_x: ImageLayout
    begins: bool = False


def _clear_rest(b: Builder, grad_x: Pointer, spec: MaxBack) -> None:
    """Write zeros to the last rows and columns, which belong to no window."""
    pool, m = spec.pool, spec.grad_x
    height, width = pool.y.height * pool.kernel[0], pool.y.width * pool.kernel[1]
    parts = (
        (m.at(0, width), height, m.width - width),
        (m.at(height, 0), m.height - height, m.width),
    )
    for first, rows, columns in parts:
        if rows and columns:
            with b.loop(rows) as i:
                clear(b, grad_x + (i * m.row + first), columns * m.padded_channels)


@kernel(grad_y="f32*", grad_x="f32*")
def avg_pool_backward(
    b: Builder, grad_y: Pointer, grad_x: Pointer, *, spec: Pool
) -> None:
    """grad_x at each valid cell of a window += grad_y / their count."""

    def window(i: Value, j: Value, at: Value, lanes: int, c: Value) -> None:
        count = b.splat(count_cells(b, spec, i, j), lanes)
        share = grad_y.vector(at + c, lanes=lanes) / count

        def cell(offset: Value) -> None:
            to = grad_x + offset
            to.store(to.vector(c, lanes=lanes) + share, c)

        cells(b, spec, (i, j), (spec.x,), cell)

    windows(b, spec, window)


@kernel(x="f32*", y="f32*")
def global_avg_forward(
    b: Builder,
    x: Pointer,
    y: Pointer,
    *,
    spec: ImageLayout,
    part: Part | None = None,
) -> None:
    """y[c] = Σ x[i, j, c] / (height · width); spec is x's layout.

    A part is some vectors of channels, where channels are whole vectors.
    """
    for start, lanes, many in spans(spec.padded_channels, b.lanes):
        first, last = part or (0, many)
        with b.loop(last, start=first) as k:
            c = k * lanes + start
            total = b.var(b.zeros(lanes))
            with b.loop(spec.height) as i:
                row = b.var(b.zeros(lanes))
                with b.loop(spec.width) as j:
                    at = i * spec.row + j * spec.padded_channels + spec.at(0, 0)
                    row.add((x + at).vector(c, lanes=lanes))
                total.add(row.get())
            y.store(total.get() / float(spec.height * spec.width), c)


@dataclass(frozen=True, slots=True)
class Spread:
    """A vector of channels spread over an image."""

    x: ImageLayout
    accumulate: bool


@kernel(grad_y="f32*", grad_x="f32*")
def global_avg_backward(
    b: Builder, grad_y: Pointer, grad_x: Pointer, *, spec: Spread
) -> None:
    """grad_x[i, j, c] = or += grad_y[c] / (height · width)."""
    m = spec.x
    for start, lanes, many in spans(m.padded_channels, b.lanes):
        with b.loop(many) as k:
            c = k * lanes + start
            share = grad_y.vector(c, lanes=lanes) / float(m.height * m.width)
            with b.loop(m.height) as i, b.loop(m.width) as j:
                to = grad_x + (i * m.row + j * m.padded_channels + m.at(0, 0))
                value = to.vector(c, lanes=lanes) + share if spec.accumulate else share
                to.store(value, c)
