"""3×3 convolution by Winograd's algorithm.

Once inputs and weights are transformed, each of the spots of a tile is a product over
input channels [tiles × in] · [in × out]; some rows of tiles go together. Transforms act
on vectors of channels. Tiles hold whole windows of the 2×2 max-pool, which is taken
before anything is stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.conv.zero_mask import row_size, where_seen
from pellucid.engines.compiled.kernels.elementwise.activation import apply
from pellucid.engines.compiled.kernels.layout import ImageLayout, padded
from pellucid.engines.compiled.kernels.pool.pool_epilogue import pool_window
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    Part,
    lanes_for,
    part_runs,
    runs,
    split,
    tile,
)
from pellucid.engines.compiled.kernels.winograd.winograd_layout import (
    Floats,
    Parts,
    TileLayout,
)
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import (
    GAP,
    Vectors,
    Winograd,
    a_turned,
    apart,
    b_turned,
    winograd_fits,
)
from pellucid.engines.compiled.kernels.winograd.winograd_weight import (
    ROWS,
    blocks,
    product_of,
    right_size,
    tile_rows,
    weight_size,
    winograd_weight,
)

__all__ = [
    "Winograd",
    "outputs",
    "scratch_size",
    "top_of",
    "transform_input",
    "weight_size",
    "winograd_fits",
    "winograd_forward",
    "winograd_weight",
]

#: tiles of 2×2 whose transform is written out together; larger ones stand alone
UNROLLED = 8


def scratch_size(spec: Winograd, lanes: int = 16) -> int:
    """Return how many numbers of scratch a worker needs; lanes up to 16."""
    tiles, outputs = tile_rows(spec) * spec.tiles[1], spec.conv.y.padded_channels
    if spec.on_amx:
        rows = padded(tiles, amx.EDGE)
        halves = amx.PARTS * rows * spec.conv.x.padded_channels + amx.DEPTH
        return spec.spots * (halves // 2 + rows * outputs + GAP)
    numbers = tiles * (spec.conv.x.padded_channels + min(outputs, 4 * lanes))
    return spec.spots * (numbers + 2 * GAP)


@kernel(
    x="f32*",
    u="f32*",
    bias="f32*",
    y="f32*",
    codes="i8*",
    seen="i32*",
    scratch="f32*",
)
def winograd_forward(
    b: Builder,
    x: Pointer,
    u: Pointer,
    bias: Pointer,
    y: Pointer,
    codes: Pointer,
    seen: Pointer,
    scratch: Pointer,
    *,
    spec: Winograd,
    part: Part | None = None,
) -> None:
    """y = f(x * w + bias), pooled or not; ``u`` are `winograd_weight`'s numbers.

    ``seen`` are `find_zeros`' numbers where the spec keeps zeros, else not read. A part
    is some of `tile_groups`: where the last row of tiles overlaps the one above, it
    leaves out what that one writes, or the bits would depend on who comes last.
    """
    on = amx.tiles(b) if spec.on_amx else contextlib.nullcontext()
    if part:
        spec = replace(spec, writes_once=True)
    with on:
        for rows in part_runs(b, split(spec.tiles[0], tile_rows(spec)), part):
            _tile_block(b, (x, u, bias, y, codes, seen, scratch), spec, rows)


Places = tuple[Pointer, Pointer, Pointer, Pointer, Pointer, Pointer, Pointer]


def _tile_block(
    b: Builder, places: Places, spec: Winograd, rows: tuple[Value, int]
) -> None:
    """Make some rows of tiles."""
    if spec.on_amx:
        _amx_block(b, places, spec, rows)
        return
    x, u, bias, y, codes, seen, scratch = places
    conv, tiles = spec.conv, rows[1] * spec.tiles[1]
    lanes, depth = lanes_for(b, conv.y.padded_channels), conv.x.padded_channels
    made = scratch + spec.spots * apart(tiles * depth)
    transform_input(b, x, Floats(scratch, tiles, depth), spec, rows)
    for v, width, many in blocks(b, spec):
        size = width * lanes
        with b.loop(many) as block:
            o = block * size + v * lanes
            weights = u + o * (spec.spots * conv.x.channels)
            with b.loop(spec.spots) as spot:
                _product(
                    b,
                    scratch + spot * apart(tiles * depth),
                    weights + spot * (conv.x.channels * size),
                    made + spot * apart(tiles * size),
                    (spec, tiles, width),
                )
            step = apart(tiles * size)
            outputs(b, (made, bias, y, codes, seen), spec, (*rows, o, size, step))


def _amx_block(
    b: Builder, places: Places, spec: Winograd, rows: tuple[Value, int]
) -> None:
    """Make some rows of tiles, their products on AMX."""
    x, u, bias, y, codes, seen, scratch = places
    conv, tiles = spec.conv, rows[1] * spec.tiles[1]
    lay, product = (
        Parts(scratch, tiles, conv.x.padded_channels),
        product_of(spec, tiles),
    )
    made, right = scratch + spec.spots * lay.spot // 2, u.cast("i32")
    step = apart(product.rows * amx.EDGE * conv.y.padded_channels)
    transform_input(b, x, lay, spec, rows)
    with b.loop(spec.spots) as spot:
        amx.multiply(
            b,
            lay.at(0, spot * lay.spot),
            right + spot * right_size(spec),
            made + spot * step,
            conv.x.padded_channels // amx.DEPTH,
            product,
        )
    how = (*rows, b.i64(0), conv.y.padded_channels, step)
    outputs(b, (made, bias, y, codes, seen), spec, how)


def transform_input(
    b: Builder,
    x: Pointer,
    lay: TileLayout,
    spec: Winograd,
    rows: tuple[Value, Number],
    *,
    in_one_loop: bool = False,
) -> None:
    """Put Bᵀ d B for some rows of tiles, from the first on so many.

    The last tile of a row that overlaps its neighbour has code of its own, unless all
    are to be ``in_one_loop``, which is shorter.
    """
    conv, m, (_, columns) = spec.conv, spec.conv.x, spec.tiles
    first, count = rows
    lanes = lanes_for(b, m.padded_channels)
    x = x + m.at(-conv.top_left[0], -conv.top_left[1])
    whole = spec.extent[1] // spec.m
    most = UNROLLED if spec.m == 2 else 1
    with b.loop(count) as r:
        top, _ = top_of(b, spec, first + r)
        if in_one_loop:
            with b.loop(columns) as t, b.loop(m.padded_channels, step=lanes) as c:
                left = b.smaller(t * spec.m, spec.extent[1] - spec.m)
                at = x + (top * m.row + left * m.padded_channels + c)
                _transform_run(b, at, lay.at(r * columns + t, c), (spec, 1, lay, lanes))
            whole = columns = 0
        for start, length, many in runs(split(whole, most)) if whole else ():
            with b.loop(many) as group, b.loop(m.padded_channels, step=lanes) as c:
                t = group * length + start
                at = x + (top * m.row + t * (spec.m * m.padded_channels) + c)
                target = lay.at(r * columns + t, c)
                _transform_run(b, at, target, (spec, length, lay, lanes))
        if whole < columns:
            with b.loop(m.padded_channels, step=lanes) as c:
                at = (
                    x
                    + (top * m.row + c)
                    + (spec.extent[1] - spec.m) * m.padded_channels
                )
                target = lay.at(r * columns + whole, c)
                _transform_run(b, at, target, (spec, 1, lay, lanes))


def _transform_run(
    b: Builder, x: Pointer, to: Pointer, how: tuple[Winograd, int, TileLayout, int]
) -> None:
    """Transform neighbouring tiles, which share two columns each."""
    spec, length, lay, lanes = how
    m, n, seen = spec.conv.x, spec.m + 2, list[Vectors]()
    for t in range(length):
        while len(seen) < spec.m * t + n:
            at = x + len(seen) * m.padded_channels
            column = [at.vector(i * m.row, lanes=lanes) for i in range(n)]
            seen.append(b_turned(column, spec.m))
        for i in range(n):
            row = [seen[spec.m * t + j][i] for j in range(n)]
            for j, value in enumerate(b_turned(row, spec.m)):
                lay.put(b, to, value, n * i + j, t)


def top_of(b: Builder, spec: Winograd, row: Value) -> tuple[Value, Value | None]:
    """Return a tile's first row of outputs, and whether it overlaps the one above."""
    top = row * spec.m
    if spec.extent[0] % spec.m == 0:
        return top, None
    last = spec.extent[0] - spec.m
    return b.smaller(top, last), top > last


def _product(
    b: Builder, a: Pointer, w: Pointer, to: Pointer, how: tuple[Winograd, int, int]
) -> None:
    """to[tile, o] = Σ a[tile, c] · w[c, o]."""
    spec, tiles, width = how
    depth, lanes = spec.conv.x, lanes_for(b, spec.conv.y.padded_channels)
    size = width * lanes
    most = min((b.registers - 2 - width) // width, ROWS)
    for p, length, times in runs(split(tiles, most)):
        with b.loop(times) as j:
            t = j * length + p
            sums = tile(
                b,
                a + t * depth.padded_channels,
                w,
                rows=[r * depth.padded_channels for r in range(length)],
                vectors=width,
                axes=[Axis(depth.channels, 1, size)],
                lanes=lanes,
            )
            for r, row in enumerate(sums):
                for v, value in enumerate(row):
                    (to + t * size).store(value, r * size + v * lanes)


def outputs(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer, Pointer],
    spec: Winograd,
    how: tuple[Value, Number, Value, int, int],
) -> None:
    """Transform back and store a block of outputs for some rows of tiles."""
    made, bias, y, codes, seen = places
    first, count, o, size, step = how
    columns, n = spec.tiles[1], spec.m + 2
    lanes = lanes_for(b, spec.conv.y.padded_channels)
    whole = spec.extent[1] // spec.m
    with b.loop(count) as r, b.loop(size, step=lanes) as v:
        offset = (bias + o).vector(v, lanes=lanes) if spec.conv.has_bias else None
        for start, end in [(0, whole), (whole, columns)][: 1 + (whole < columns)]:
            with b.loop(end, start=start) as t:
                at = made + (r * columns + t) * size + v
                turned = [
                    a_turned(
                        [at.vector((n * i + j) * step, lanes=lanes) for i in range(n)],
                        spec.m,
                    )
                    for j in range(n)
                ]
                cells = [
                    a_turned([q[i] for q in turned], spec.m) for i in range(spec.m)
                ]
                place = (spec, first + r, t, o + v)
                if spec.keeps_zeros:
                    cells = _with_zeros(b, cells, seen, place)
                if spec.pooled:
                    _put_pooled(b, cells, offset, (y, codes), place)
                else:
                    _put_cells(b, cells, offset, y, place)


#: (spec, row of tiles, tile of that row, first output channel)
Place = tuple[Winograd, Value, Value, Value]


def _corner(b: Builder, place: Place, m: ImageLayout, size: int) -> tuple[Value, Value]:
    """Return the row and column of a tile's first output, ``size`` apart in y."""
    spec, row, t, _ = place
    top, _ = top_of(b, spec, row)
    left = b.smaller(t * spec.m, spec.extent[1] - spec.m)
    return top // size, left // size


def _with_zeros(
    b: Builder, cells: list[Vectors], seen: Pointer, place: Place
) -> list[Vectors]:
    """Return a tile's outputs, zeros where only zeros are seen."""
    top, left = _corner(b, place, place[0].y, 1)
    row = row_size(place[0].conv)
    at = seen + (top * row + left)
    return [
        [where_seen(b, cell, at + (i * row + j)) for j, cell in enumerate(line)]
        for i, line in enumerate(cells)
    ]


def _put_pooled(
    b: Builder,
    cells: list[Vectors],
    offset: Value | None,
    places: tuple[Pointer, Pointer],
    place: Place,
) -> None:
    (y, codes), spec, m, o = places, place[0], place[0].y, place[3]
    top, left = _corner(b, place, m, 2)
    y, codes = y + o + m.at(0, 0), codes + o
    for i, j in _cells(b, place, spec.m // 2):
        window = [cells[2 * i + r][2 * j + s] for r, s in _grid(2)]
        value, code = pool_window(b, window, offset, spec.conv.function)
        (y + (top * m.row + left * m.padded_channels)).store(
            value, i * m.row + j * m.padded_channels
        )
        if spec.keeps_codes:
            at = codes + (top * m.width + left) * m.padded_channels
            at.store(code, (i * m.width + j) * m.padded_channels)


def _grid(size: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(size) for j in range(size))


def _cells(b: Builder, place: Place, size: int) -> Iterator[tuple[int, int]]:
    """Yield the outputs of a tile that are to be written, ``size`` along its edge."""
    spec, row = place[0], place[1]
    twice = -spec.extent[0] % spec.m * size // spec.m  # rows of the last tile
    if not (spec.writes_once and twice):
        yield from _grid(size)
        return
    yield from ((i, j) for i in range(twice, size) for j in range(size))
    with b.when(row < spec.tiles[0] - 1):
        yield from ((i, j) for i in range(twice) for j in range(size))


def _put_cells(
    b: Builder, cells: list[Vectors], offset: Value | None, y: Pointer, place: Place
) -> None:
    """Store a tile; outputs that another tile has as well are added by that one."""
    spec, row, t, o = place
    m, lanes = spec.y, cells[0][0].type.count
    top, left = _corner(b, place, m, 1)
    to = y + (top * m.row + left * m.padded_channels + o) + m.at(0, 0)
    done = [-size % spec.m for size in spec.extent]  # of the last tiles' outputs
    _, is_low = top_of(b, spec, row)
    is_right = t * spec.m > spec.extent[1] - spec.m if done[1] else None
    for i, j in _cells(b, place, spec.m):
        value, at = cells[i][j], i * m.row + j * m.padded_channels
        if offset is not None:
            value = value + offset
        if spec.conv.accumulate:
            for is_last, n in ((is_low, i < done[0]), (is_right, j < done[1])):
                if is_last is not None and n:
                    value = b.select(is_last, b.zeros(lanes), value)
            value = to.vector(at, lanes=lanes) + value
        to.store(apply(b, spec.conv.function, value), at)
