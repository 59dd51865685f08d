"""This file is convolution and its two derivatives, for every stride and dilation.

All three are products made of register tiles; the zeros around the image lie in
memory, so no loop asks where the image ends. Grouped convolutions run group by group.
Weights are [kernel_h][kernel_w][input channels of a group][output channels], and for
the input's derivative [kernel_h][kernel_w][output channels][input channels].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pellucid.engines.compiled.kernels.activation import Function, apply
from pellucid.engines.compiled.kernels.ir import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.layout import Map, Sides
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    lanes_for,
    runs,
    split,
    tile,
    tile_shape,
)

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Conv:
    """One convolution: y = x * w + bias, its sizes and how both images lie."""

    x: Map
    y: Map
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    top_left: Pair = (0, 0)
    groups: int = 1
    has_bias: bool = True
    function: Function | None = None
    is_added: bool = False

    @property
    def rows(self) -> int:
        """Input channels of a group as they lie in the weights."""
        return self.x.stored if self.groups == 1 else self.x.channels // self.groups

    @property
    def group_outputs(self) -> int:
        """Output channels of a group."""
        return self.y.stored if self.groups == 1 else self.y.channels // self.groups

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights in memory."""
        return (*self.kernel, self.rows, self.y.stored)

    @property
    def turned_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights in memory for the input's derivative."""
        return (*self.kernel, self.y.channels, self.rows)


@kernel(x="f32*", w="f32*", bias="f32*", y="f32*")
def conv_forward(
    b: Builder, x: Pointer, w: Pointer, bias: Pointer, y: Pointer, *, spec: Conv
) -> None:
    """y[i, j, o] = f(bias[o] + Σ x[i·s + u·d − top, j·s + v·d − left, c] · w[…, o])."""
    lanes = lanes_for(b, spec.group_outputs)
    (sy, sx), m = spec.stride, spec.x
    top, left = spec.top_left
    x, y = x + m.at(-top, -left), y + spec.y.at(0, 0)
    for g in _groups(b, spec.groups):
        gx, go = x + g * spec.rows, g * spec.group_outputs
        for v, width, many in _vector_runs(
            b, spec.group_outputs // lanes, spec.y.width
        ):
            with b.loop(many) as block:
                o = (block * width + v) * lanes + go
                start = [
                    bias.vector(o + k * lanes, lanes=lanes)
                    if spec.has_bias
                    else b.zeros(lanes)
                    for k in range(width)
                ]
                with b.loop(spec.y.height) as i:
                    px = gx + i * (sy * m.row)
                    py = y + i * spec.y.row + o
                    for p, length, times in _row_runs(b, spec.y.width, width):
                        with b.loop(times) as j:
                            at = j * length + p
                            sums = tile(
                                b,
                                px + at * (sx * m.stored),
                                w + o,
                                rows=[r * sx * m.stored for r in range(length)],
                                vectors=width,
                                axes=_taps(spec),
                                lanes=lanes,
                                start=[start] * length,
                            )
                            _put(b, sums, py + at * spec.y.stored, spec, lanes)


def _taps(spec: Conv) -> list[Axis]:
    (kh, kw), (dy, dx), m = spec.kernel, spec.dilation, spec.x
    out, rows = spec.y.stored, spec.rows
    down = Axis(kh, dy * m.row, kw * rows * out)
    true = m.channels if spec.groups == 1 else rows  # without the channels of zeros
    if dx == 1 and spec.groups == 1 and true == rows:
        return [down, Axis(kw * rows, 1, out)]
    return [down, Axis(kw, dx * m.stored, rows * out), Axis(true, 1, out)]


def _put(
    b: Builder, sums: list[list[Value]], y: Pointer, spec: Conv, lanes: int
) -> None:
    for r, row in enumerate(sums):
        for v, value in enumerate(row):
            y.store(apply(b, spec.function, value), r * spec.y.stored + v * lanes)


def _groups(b: Builder, groups: int) -> Iterator[Number]:
    if groups == 1:
        yield 0
    else:
        with b.loop(groups) as g:
            yield g


def _vector_runs(b: Builder, vectors: int, rows: int) -> list[tuple[int, int, int]]:
    """Cut the output channels' vectors: [(first, width of a tile, how many)]."""
    _, width = tile_shape(b, vectors, rows)
    return runs(split(vectors, width))


def _row_runs(b: Builder, rows: int, width: int) -> list[tuple[int, int, int]]:
    """Cut a row's pixels: [(first, length of a tile, how many)]."""
    return runs(split(rows, _most_rows(b, width)))


def _most_rows(b: Builder, width: int) -> int:
    return max(1, min((b.registers - 2 - width) // width, 14 if width > 1 else 28))


# The input's derivative gathers: pixels of dx whose row and column leave the same
# remainder by the stride see the same taps of the kernel.


@dataclass(frozen=True, slots=True)
class Taps:
    """The taps of one axis that reach pixels with one remainder by the stride.

    ``first`` and ``step`` say which; pixel number a of that remainder (pixel ``a ·
    stride + remainder``) meets output ``a + shift`` through the first of them and
    ``back`` outputs less through each following one.
    """

    remainder: int
    pixels: int
    first: int
    count: int
    step: int
    shift: int
    back: int


def taps_of_axis(
    size: int, kernel: int, stride: int, dilation: int, pad: int
) -> list[Taps]:
    """Return the taps for each remainder by the stride."""
    found = []
    for remainder in range(min(stride, size)):
        pixels = (size - remainder + stride - 1) // stride
        taps = [
            u for u in range(kernel) if (remainder + pad - u * dilation) % stride == 0
        ]
        if not taps:
            found.append(Taps(remainder, pixels, 0, 0, 1, 0, 0))
            continue
        step = taps[1] - taps[0] if len(taps) > 1 else 1
        shift = (remainder + pad - taps[0] * dilation) // stride
        back = step * dilation // stride
        found.append(Taps(remainder, pixels, taps[0], len(taps), step, shift, back))
    return found


def gradient_sides(spec: Conv) -> Sides:
    """Return the zeros that the derivative by y needs around it."""
    axes = zip(
        (spec.x.height, spec.x.width),
        (spec.y.height, spec.y.width),
        spec.kernel,
        spec.stride,
        spec.dilation,
        spec.top_left,
        strict=True,
    )
    sides = []
    for size, outputs, k, s, d, pad in axes:
        low = high = 0
        for taps in taps_of_axis(size, k, s, d, pad):
            if taps.count:
                low = max(low, (taps.count - 1) * taps.back - taps.shift)
                high = max(high, taps.pixels - 1 + taps.shift - (outputs - 1))
        sides.append((low, high))
    return sides[0], sides[1]


@kernel(grad_y="f32*", turned="f32*", grad_x="f32*")
def conv_grad_input(
    b: Builder, grad_y: Pointer, turned: Pointer, grad_x: Pointer, *, spec: Conv
) -> None:
    """grad_x[y, x, c] = or += Σ grad_y[i, j, o] · w[u, v, c, o]; y = i·s + u·d − t."""
    rows = taps_of_axis(
        spec.x.height,
        spec.kernel[0],
        spec.stride[0],
        spec.dilation[0],
        spec.top_left[0],
    )
    columns = taps_of_axis(
        spec.x.width, spec.kernel[1], spec.stride[1], spec.dilation[1], spec.top_left[1]
    )
    for down in rows:
        for across in columns:
            _grad_input_of(b, grad_y, turned, grad_x, spec, down, across)


def _grad_input_of(
    b: Builder,
    grad_y: Pointer,
    turned: Pointer,
    grad_x: Pointer,
    spec: Conv,
    down: Taps,
    across: Taps,
) -> None:
    m, g_map, (sy, sx) = spec.x, spec.y, spec.stride
    outputs = spec.y.channels // spec.groups
    lanes = lanes_for(b, spec.rows)
    per_tap = spec.y.channels * spec.rows
    first = (down.first * spec.kernel[1] + across.first) * per_tap
    axes = [
        Axis(down.count, -down.back * g_map.row, down.step * spec.kernel[1] * per_tap),
        Axis(across.count, -across.back * g_map.stored, across.step * per_tap),
        Axis(outputs, 1, spec.rows),
    ]
    is_empty = down.count == 0 or across.count == 0
    if is_empty and spec.is_added:
        return
    source = grad_y + g_map.at(down.shift, across.shift)
    target = grad_x + m.at(down.remainder, across.remainder)
    for g in _groups(b, spec.groups):
        for v, width, many in _vector_runs(b, spec.rows // lanes, across.pixels):
            with b.loop(many) as block, b.loop(down.pixels) as i:
                c = (block * width + v) * lanes
                py = source + i * g_map.row + g * outputs
                px = target + i * (sy * m.row) + g * spec.rows + c
                pw = turned + first + g * (outputs * spec.rows) + c
                for p, length, times in _row_runs(b, across.pixels, width):
                    with b.loop(times) as j:
                        at = j * length + p
                        to = px + at * (sx * m.stored)
                        offsets = [r * sx * m.stored for r in range(length)]
                        start = [
                            [
                                to.vector(offset + k * lanes, lanes=lanes)
                                if spec.is_added
                                else b.zeros(lanes)
                                for k in range(width)
                            ]
                            for offset in offsets
                        ]
                        sums = (
                            start
                            if is_empty
                            else tile(
                                b,
                                py + at * g_map.stored,
                                pw,
                                rows=[r * g_map.stored for r in range(length)],
                                vectors=width,
                                axes=axes,
                                lanes=lanes,
                                start=start,
                            )
                        )
                        for offset, row in zip(offsets, sums, strict=True):
                            for k, value in enumerate(row):
                                to.store(value, offset + k * lanes)


@kernel(x="f32*", grad_y="f32*", grad_weight="f32*")
def conv_grad_weight(
    b: Builder, x: Pointer, grad_y: Pointer, grad_weight: Pointer, *, spec: Conv
) -> None:
    """grad_weight[u, v, c, o] += Σ x[i·s + u·d − top, j·s + v·d − left, c] · grad_y."""
    lanes = lanes_for(b, spec.group_outputs)
    kw, (sy, sx), dy = spec.kernel[1], spec.stride, spec.dilation[0]
    m, out = spec.x, spec.y.stored
    top, left = spec.top_left
    x, grad_y = x + m.at(-top, -left), grad_y + spec.y.at(0, 0)
    axes = [
        Axis(spec.y.height, sy * m.row, spec.y.row),
        Axis(spec.y.width, sx * m.stored, spec.y.stored),
    ]
    vectors = spec.group_outputs // lanes
    for g in _groups(b, spec.groups):
        gx, go = x + g * spec.rows, g * spec.group_outputs
        for v, width, many in _vector_runs(b, vectors, kw * spec.rows):
            tiles = _weight_tiles(spec, _most_rows(b, width))
            with b.loop(many) as block, b.loop(tiles.lines) as u:
                o = (block * width + v) * lanes + go
                px = gx + u * (dy * m.row)
                pw = grad_weight + u * (kw * spec.rows * out) + o
                for cells, times, (x_step, w_step) in tiles.runs:
                    with b.loop(times) as k:
                        to = pw + k * (w_step * out)
                        sums = tile(
                            b,
                            px + k * x_step,
                            grad_y + o,
                            rows=[at for at, _ in cells],
                            vectors=width,
                            axes=axes,
                            lanes=lanes,
                            start=[
                                [
                                    to.vector(row * out + n * lanes, lanes=lanes)
                                    for n in range(width)
                                ]
                                for _, row in cells
                            ],
                        )
                        for (_, row), totals in zip(cells, sums, strict=True):
                            for n, value in enumerate(totals):
                                to.store(value, row * out + n * lanes)


@dataclass(frozen=True, slots=True)
class _Tiles:
    """How the rows of a weight's derivative are cut into tiles.

    ``lines`` times, from one row of the kernel to the next; each run is the cells of
    its first tile as (place in x, row of the weights), how many tiles follow each
    other, and how far apart they lie in both.
    """

    lines: int
    runs: list[tuple[list[Pair], int, Pair]]


def _weight_tiles(spec: Conv, most: int) -> _Tiles:
    (kh, kw), (dy, dx), m = spec.kernel, spec.dilation, spec.x
    true = m.channels if spec.groups == 1 else spec.rows

    def cells(lines: int) -> list[Pair]:
        return [
            (u * dy * m.row + v * dx * m.stored + c, (u * kw + v) * spec.rows + c)
            for u in range(lines)
            for v in range(kw)
            for c in range(true)
        ]

    if kh * kw * true <= most:  # one tile, whose sums hide each other's latency
        return _Tiles(1, [(cells(kh), 1, (0, 0))])
    if kw * true <= 3 * most and (dx > 1 or true < spec.rows):
        every = cells(1)
        cuts = split(len(every), most)
        return _Tiles(kh, [(every[p : p + n], 1, (0, 0)) for p, n in cuts])
    is_joined = dx == 1 and spec.groups == 1  # a kernel row is one run of memory
    length, columns = (kw * spec.rows, 1) if is_joined else (spec.rows, kw)
    return _Tiles(
        kh,
        [
            ([(at + p + r, at_w + p + r) for r in range(size)], times, (size, size))
            for at, at_w in ((v * dx * m.stored, v * spec.rows) for v in range(columns))
            for p, size, times in runs(split(length, most))
        ],
    )


@kernel(grad_y="f32*", grad_bias="f32*")
def conv_grad_bias(
    b: Builder, grad_y: Pointer, grad_bias: Pointer, *, spec: Map
) -> None:
    """grad_bias[o] += Σ grad_y[i, j, o]."""
    lanes = lanes_for(b, spec.stored)
    with b.loop(spec.stored // lanes) as v:
        to = grad_bias + v * lanes
        total = b.var(to.vector(lanes=lanes))
        with b.loop(spec.height) as i:
            row = grad_y + spec.at(0, 0) + i * spec.row + v * lanes
            partial = b.var(b.zeros(lanes))
            with b.loop(spec.width) as j:
                partial.add((row + j * spec.stored).vector(lanes=lanes))
            total.add(partial.get())
        to.store(total.get())


@kernel(w="f32*", turned="f32*")
def conv_turn_weight(b: Builder, w: Pointer, turned: Pointer, *, spec: Conv) -> None:
    """turned[u, v, o, c] = w[u, v, c, o], group by group."""
    rows, out = spec.rows, spec.y.stored
    taps, outputs = spec.kernel[0] * spec.kernel[1], spec.y.channels
    with b.loop(taps) as tap, b.loop(outputs) as o, b.loop(rows) as c:
        value = (w + tap * (rows * out)).load(c * out + o)
        (turned + tap * (rows * outputs)).store(value, o * rows + c)


@kernel(turned="f32*", w="f32*")
def conv_unturn_weight(b: Builder, turned: Pointer, w: Pointer, *, spec: Conv) -> None:
    """w[u, v, c, o] = turned[u, v, o, c], group by group; undoes conv_turn_weight."""
    rows, out = spec.rows, spec.y.stored
    taps, outputs = spec.kernel[0] * spec.kernel[1], spec.y.channels
    with b.loop(taps) as tap, b.loop(outputs) as o, b.loop(rows) as c:
        value = (turned + tap * (rows * outputs)).load(o * rows + c)
        (w + tap * (rows * out)).store(value, c * out + o)


@kernel(bias="f32*", y="f32*")
def add_bias(b: Builder, bias: Pointer, y: Pointer, *, spec: Map) -> None:
    """y[i, j, o] += bias[o]."""
    lanes = lanes_for(b, spec.stored)
    with b.loop(spec.stored // lanes) as v:
        shift = bias.vector(v * lanes, lanes=lanes)
        with b.loop(spec.height) as i, b.loop(spec.width) as j:
            place = y + (i * spec.row + j * spec.stored + spec.at(0, 0))
            value = place.vector(v * lanes, lanes=lanes) + shift
            place.store(value, v * lanes)


@kernel(w="f32*", turned="f32*")
def conv_from_ohwi(b: Builder, w: Pointer, turned: Pointer, *, spec: Conv) -> None:
    """turned[u, v, c, o] = w[o, u, v, c], without groups."""
    out, patch = spec.y.stored, spec.kernel[0] * spec.kernel[1] * spec.rows
    with b.loop(out) as o, b.loop(patch) as k:
        turned.store((w + o * patch).load(k), k * out + o)
