"""This file is 3×3 convolution by Winograd's F(2×2, 3×3): 16 products in place of 36.

A tile of 2×2 outputs sees 4×4 inputs d. With the small matrices below,

    tile = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A,

so once inputs and weights are transformed, each of the 16 numbers of a tile is a
product over input channels: 16 products [tiles × in] · [in × out]. Transforms are
additions of vectors of channels. A tile is a window of the 2×2 max-pool.

References
----------
Lavin and Gray 2016, Fast Algorithms for Convolutional Neural Networks, section 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.kernels.activation import apply
from pellucid.engines.compiled.kernels.conv import Conv
from pellucid.engines.compiled.kernels.epilogue import pool_window
from pellucid.engines.compiled.kernels.ir import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.layout import Map
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    lanes_for,
    runs,
    split,
    tile,
)
from pellucid.engines.compiled.kernels.turn import square

#: numbers of a transformed tile
SPOTS = 16
#: tiles that are transformed and multiplied together, at least, if there are so many
TILES = 12
#: tiles whose transform is written out
UNROLLED = 8

Vectors = list[Value]


@dataclass(frozen=True, slots=True)
class Winograd:
    """A convolution by Winograd's algorithm.

    Attributes
    ----------
    conv : Conv
        3×3, stride and dilation 1. For the derivative by the input its x is the
        derivative by the output, its y the one by the input, and ``top_left`` is 2
        less the padding.
    pooled : bool
        Whether the output is the 2×2 max-pool's, with codes.
    y : Map
        The output: conv.y, or the pooled one.
    keeps_codes : bool
        Whether a pooled output writes codes, [height][width][stored].
    weight_layout : {"hwio", "ohwi"}
        How the layer's weights lie; "ohwi" has a row for every stored output.
    is_turned : bool
        Whether the weights are those of the forward convolution, to be flipped and
        with inputs and outputs exchanged.
    """

    conv: Conv
    pooled: bool
    y: Map
    keeps_codes: bool = True
    weight_layout: Literal["hwio", "ohwi"] = "hwio"
    is_turned: bool = False

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles; an odd output's last ones overlap."""
        if self.pooled:
            return self.y.height, self.y.width
        return -(-self.y.height // 2), -(-self.y.width // 2)


def winograd_fits(conv: Conv) -> bool:
    """Return whether the algorithm applies and pays.

    Transforms cost as much per input and output channel as a product does per pair of
    them, so it takes 16 channels on either side until they are worth their while.
    """
    is_plain = conv.stride == conv.dilation == (1, 1) and conv.groups == 1
    is_large = min(conv.x.channels, conv.y.channels) >= 16
    sizes = min(conv.y.height, conv.y.width)
    return conv.kernel == (3, 3) and is_plain and is_large and sizes >= 2


def weight_size(spec: Winograd) -> int:
    """Return how many numbers the transformed weights take."""
    return SPOTS * spec.conv.x.channels * spec.conv.y.stored


def scratch_size(spec: Winograd, lanes: int = 16) -> int:
    """Return how many numbers of scratch a worker needs; lanes up to 16."""
    rows, columns = spec.tiles
    tiles = min(rows, _tile_rows(spec)) * columns
    return SPOTS * tiles * (spec.conv.x.stored + min(spec.conv.y.stored, 4 * lanes))


def _tile_rows(spec: Winograd) -> int:
    """Return how many rows of tiles go together."""
    return -(-TILES // spec.tiles[1])


# Weights: once for each change of them


@kernel(w="f32*", u="f32*")
def winograd_weight(b: Builder, w: Pointer, u: Pointer, *, spec: Winograd) -> None:
    """u = G g Gᵀ for each pair of channels: [block of outputs][spot][in][outputs]."""
    conv = spec.conv
    depth, out = conv.x.stored, conv.y.stored
    tap, k_step, n_step = _strides(spec, depth, out)
    lanes = lanes_for(b, out)
    if n_step != 1:
        lanes = min(lanes, lanes_for(b, depth))
    for first, width, many in _blocks(b, out):
        size, vectors = width * lanes_for(b, out), width * lanes_for(b, out) // lanes
        with b.loop(many) as block, b.loop(vectors) as v:
            n = block * size + (first * lanes_for(b, out) + v * lanes)
            at = w + n * n_step
            to = u + (block * size + first * lanes_for(b, out)) * (
                SPOTS * conv.x.channels
            )
            to = to + v * lanes
            step = conv.x.channels * size
            if n_step == 1:
                with b.loop(conv.x.channels) as k:
                    taps = [
                        (at + k * k_step).vector(t * tap, lanes=lanes) for t in range(9)
                    ]
                    _put_weight(b, taps, to + k * size, step, spec.is_turned)
            else:
                with b.loop(conv.x.channels, step=lanes) as k:
                    _turned_block(b, at + k, to, k, (spec, lanes, tap, n_step, size))


def _strides(spec: Winograd, depth: int, out: int) -> tuple[int, int, int]:
    """Return the steps in the weights from tap to tap, input to input, output …"""
    match spec.weight_layout, spec.is_turned:
        case "hwio", False:
            return depth * out, out, 1
        case "hwio", True:
            return depth * out, 1, depth
        case "ohwi", False:
            return depth, 1, 9 * depth
        case _:
            return out, 9 * out, 1


def _turned_block(
    b: Builder,
    w: Pointer,
    to: Pointer,
    k: Value,
    how: tuple[Winograd, int, int, int, int],
) -> None:
    """Transform a square of weights whose vectors lie along the input channels."""
    spec, lanes, tap, n_step, size = how
    depth = spec.conv.x.channels
    kept = b.scratch("f32", 9 * lanes * lanes)
    with b.loop(9) as t:
        at = w + t * tap
        rows = [at.vector(r * n_step, lanes=lanes) for r in range(lanes)]
        for r, row in enumerate(square(b, rows)):
            (kept + t * (lanes * lanes)).store(row, r * lanes)
    with b.loop(b.smaller(b.i64(depth) - k, lanes)) as i:
        taps = [
            (kept + i * lanes).vector(t * lanes * lanes, lanes=lanes) for t in range(9)
        ]
        _put_weight(b, taps, to + (k + i) * size, depth * size, spec.is_turned)


def _put_weight(
    b: Builder, taps: Vectors, to: Pointer, step: int, is_turned: bool
) -> None:
    if is_turned:
        taps = taps[::-1]
    columns = [_g(taps[x::3]) for x in range(3)]
    for i in range(4):
        for j, value in enumerate(_g([column[i] for column in columns])):
            to.store(value, (4 * i + j) * step)


def _g(d: Vectors) -> Vectors:
    """Return G d."""
    ends, middle = (d[0] + d[2]) * 0.5, d[1] * 0.5
    return [d[0], ends + middle, ends - middle, d[2]]


def _bt(d: Vectors) -> Vectors:
    """Return Bᵀ d."""
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _at(d: Vectors) -> Vectors:
    """Return Aᵀ d."""
    return [d[0] + d[1] + d[2], d[1] - d[2] - d[3]]


# The convolution


@kernel(x="f32*", u="f32*", bias="f32*", y="f32*", codes="i8*", scratch="f32*")
def winograd_forward(
    b: Builder,
    x: Pointer,
    u: Pointer,
    bias: Pointer,
    y: Pointer,
    codes: Pointer,
    scratch: Pointer,
    *,
    spec: Winograd,
) -> None:
    """y = f(x * w + bias), pooled or not; ``u`` are `winograd_weight`'s numbers."""
    rows, _ = spec.tiles
    for first, count, many in runs(split(rows, _tile_rows(spec))):
        with b.loop(many) as group:
            _tile_block(
                b, (x, u, bias, y, codes, scratch), spec, group * count + first, count
            )


Places = tuple[Pointer, Pointer, Pointer, Pointer, Pointer, Pointer]


def _tile_block(
    b: Builder, places: Places, spec: Winograd, first: Value, count: int
) -> None:
    """Make ``count`` rows of tiles."""
    x, u, bias, y, codes, scratch = places
    conv, (_, columns) = spec.conv, spec.tiles
    tiles, depth = count * columns, conv.x.stored
    lanes = lanes_for(b, conv.y.stored)
    made = scratch + SPOTS * tiles * depth
    transform_input(b, x, scratch, spec, (first, count))
    for v, width, many in _blocks(b, conv.y.stored):
        size = width * lanes
        with b.loop(many) as block:
            o = block * size + v * lanes
            weights = u + o * (SPOTS * conv.x.channels)
            with b.loop(SPOTS) as spot:
                _product(
                    b,
                    scratch + spot * (tiles * depth),
                    weights + spot * (conv.x.channels * size),
                    made + spot * (tiles * size),
                    (spec, tiles, width),
                )
            _outputs(b, (made, bias, y, codes), spec, (first, count, o, size))


def _blocks(b: Builder, out: int) -> list[tuple[int, int, int]]:
    """Cut the outputs: [(first vector, vectors together, how many)]."""
    return runs(split(out // lanes_for(b, out), 2))


def transform_input(
    b: Builder, x: Pointer, to: Pointer, spec: Winograd, rows: tuple[Value, int]
) -> None:
    """to[spot][tile][channel] = Bᵀ d B for some rows of tiles."""
    conv, m, (_, columns) = spec.conv, spec.conv.x, spec.tiles
    first, count = rows
    lanes, step = lanes_for(b, m.stored), count * columns * m.stored
    x = x + m.at(-conv.top_left[0], -conv.top_left[1])
    whole = columns if spec.pooled else spec.y.width // 2
    with b.loop(count) as r:
        top, _ = _top(b, spec, first + r)
        for start, length, many in runs(split(whole, UNROLLED)):
            with b.loop(many) as group, b.loop(m.stored, step=lanes) as c:
                t = group * length + start
                at = x + (top * m.row + t * (2 * m.stored) + c)
                target = to + ((r * columns + t) * m.stored + c)
                _transform_run(b, at, target, (m, length, step, lanes))
        if whole < columns:
            with b.loop(m.stored, step=lanes) as c:
                at = x + (top * m.row + c) + (spec.y.width - 2) * m.stored
                target = to + ((r * columns + whole) * m.stored + c)
                _transform_run(b, at, target, (m, 1, step, lanes))


def _transform_run(
    b: Builder, x: Pointer, to: Pointer, how: tuple[Map, int, int, int]
) -> None:
    """Transform neighbouring tiles, which share two columns each."""
    m, length, step, lanes = how
    seen: list[Vectors] = []
    for t in range(length):
        while len(seen) < 2 * t + 4:
            at = len(seen) * m.stored
            seen.append(_bt([x.vector(i * m.row + at, lanes=lanes) for i in range(4)]))
        for i in range(4):
            row = _bt([seen[2 * t + j][i] for j in range(4)])
            for j, value in enumerate(row):
                to.store(value, (4 * i + j) * step + t * m.stored)


def _top(b: Builder, spec: Winograd, row: Value) -> tuple[Value, Value | None]:
    """Return a tile's first row of outputs, and whether it overlaps the one above."""
    top = row * 2
    if spec.pooled or spec.y.height % 2 == 0:
        return top, None
    last = spec.y.height - 2
    return b.smaller(top, last), top > last


def _product(
    b: Builder,
    a: Pointer,
    w: Pointer,
    to: Pointer,
    how: tuple[Winograd, int, int],
) -> None:
    """to[tile, o] = Σ a[tile, c] · w[c, o]."""
    spec, tiles, width = how
    depth, lanes = spec.conv.x, lanes_for(b, spec.conv.y.stored)
    size = width * lanes
    most = min((b.registers - 2 - width) // width, 14)
    for p, length, times in runs(split(tiles, most)):
        with b.loop(times) as j:
            t = j * length + p
            sums = tile(
                b,
                a + t * depth.stored,
                w,
                rows=[r * depth.stored for r in range(length)],
                vectors=width,
                axes=[Axis(depth.channels, 1, size)],
                lanes=lanes,
            )
            for r, row in enumerate(sums):
                for v, value in enumerate(row):
                    (to + t * size).store(value, r * size + v * lanes)


def _outputs(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    spec: Winograd,
    how: tuple[Value, int, Value, int],
) -> None:
    """Transform back and store a block of outputs for some rows of tiles."""
    made, bias, y, codes = places
    first, count, o, size = how
    _, columns = spec.tiles
    lanes, step = lanes_for(b, spec.conv.y.stored), count * columns * size
    whole = columns if spec.pooled else spec.y.width // 2
    with b.loop(count) as r, b.loop(size, step=lanes) as v:
        offset = (bias + o).vector(v, lanes=lanes) if spec.conv.has_bias else None
        row = first + r
        for start, length in ((0, whole), (whole, columns - whole)):
            with _each(b, start, length) as t:
                at = made + (r * columns + t) * size + v
                turned = [
                    _at([at.vector((4 * i + j) * step, lanes=lanes) for i in range(4)])
                    for j in range(4)
                ]
                cells = [c for i in range(2) for c in _at([q[i] for q in turned])]
                if spec.pooled:
                    _put_pooled(b, cells, offset, (y, codes), (spec, row, t, o + v))
                else:
                    if offset is not None:
                        cells = [c + offset for c in cells]
                    _put_cells(b, cells, y, (spec, row, t, o + v), start > 0)


@contextmanager
def _each(b: Builder, start: int, length: int) -> Iterator[Value]:
    with b.loop(start + length, start=start) as t:
        yield t


def _put_pooled(
    b: Builder,
    cells: Vectors,
    offset: Value | None,
    places: tuple[Pointer, Pointer],
    at: tuple[Winograd, Value, Number, Value],
) -> None:
    (y, codes), (spec, row, t, o), m = places, at, at[0].y
    value, code = pool_window(b, cells, offset, spec.conv.function)
    (y + (row * m.row + t * m.stored + o)).store(value, m.at(0, 0))
    if spec.keeps_codes:
        codes.store(code, (row * m.width + t) * m.stored + o)


def _put_cells(
    b: Builder,
    cells: Vectors,
    y: Pointer,
    at: tuple[Winograd, Value, Value, Value],
    is_last: bool,
) -> None:
    """Store a tile; cells that overlap another tile's add nothing."""
    spec, row, t, o = at
    m, lanes = spec.y, cells[0].type.count
    top, overlaps = _top(b, spec, row)
    left = b.i64(m.width - 2) if is_last else t * 2
    to = y + (top * m.row + left * m.stored + o) + m.at(0, 0)
    for n, cell in enumerate(cells):
        (i, j), value = divmod(n, 2), cell
        offset = i * m.row + j * m.stored
        if spec.conv.is_added:
            if overlaps is not None and i == 0:
                value = b.select(overlaps, b.zeros(lanes), value)
            if is_last and j == 0:
                value = b.zeros(lanes)
            value = to.vector(offset, lanes=lanes) + value
        to.store(apply(b, spec.conv.function, value), offset)
