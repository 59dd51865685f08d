"""Gradient with respect to the weights by Winograd's algorithm.

The convolution is bilinear in the transformed inputs and weights, so the derivative by
the transformed weights is one product per spot as well, now summed over tiles,

    grad_u = Σ over tiles (Bᵀ d B) ⊗ (A grad_y Aᵀ),    grad_g = Gᵀ grad_u G,

with as few multiplications as the convolution. The first is done for every image,
the second once for all of them.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    lanes_for,
    runs,
    split,
    tile,
    tile_shape,
)
from pellucid.engines.compiled.kernels.winograd.winograd import top_of, transform_input
from pellucid.engines.compiled.kernels.winograd.winograd_layout import Floats
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import (
    GAP,
    Vectors,
    Winograd,
    a,
    apart,
    g_turned,
)

#: transformed tiles that are kept at once, at least, if there are so many
TILES = 16


def grad_size(spec: Winograd) -> int:
    """Return how many numbers the derivative by the transformed weights takes."""
    return spec.spots * apart(spec.conv.x.channels * spec.conv.y.padded_channels)


def back_scratch_size(spec: Winograd) -> int:
    """Return how many numbers of scratch a worker needs."""
    tiles = _tile_rows(spec) * spec.tiles[1]
    numbers = tiles * (spec.conv.x.padded_channels + spec.conv.y.padded_channels)
    return spec.spots * (numbers + 2 * GAP)


def _tile_rows(spec: Winograd) -> int:
    """Return how many rows of tiles go together."""
    rows, columns = spec.tiles
    return min(rows, -(-TILES // columns))


@kernel(x="f32*", grad_y="f32*", grad_u="f32*", scratch="f32*")
def winograd_grad_weight(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad_u: Pointer,
    scratch: Pointer,
    *,
    spec: Winograd,
) -> None:
    """grad_u[spot, c, o] += Σ over tiles of the transformed x · grad_y (conv.y)."""
    conv = spec.conv
    for first, count, many in runs(split(spec.tiles[0], _tile_rows(spec))):
        tiles = count * spec.tiles[1]
        grads = scratch + spec.spots * apart(tiles * conv.x.padded_channels)
        with b.loop(many) as group:
            row = group * count + first
            lay = Floats(scratch, tiles, conv.x.padded_channels)
            transform_input(b, x, lay, spec, (row, count))
            transform_grad(b, grad_y, grads, spec, (row, count), tiles)
            with b.loop(spec.spots) as spot:
                _product(
                    b,
                    scratch + spot * apart(tiles * conv.x.padded_channels),
                    grads + spot * apart(tiles * conv.y.padded_channels),
                    grad_u + spot * apart(conv.x.channels * conv.y.padded_channels),
                    (conv, tiles),
                )


def transform_grad(
    b: Builder,
    grad_y: Pointer,
    to: Pointer,
    spec: Winograd,
    rows: tuple[Value, int],
    tiles: int,
) -> None:
    """to[spot][tile][channel] = A grad_y Aᵀ for some rows of tiles, of ``tiles``."""
    (first, count), columns, m = rows, spec.tiles[1], spec.conv.y
    lanes, whole = lanes_for(b, m.padded_channels), spec.extent[1] // spec.m
    done = [-size % spec.m for size in spec.extent]  # of the last tiles' outputs
    how = (spec, apart(tiles * m.padded_channels), lanes)
    with b.loop(count) as r:
        top, is_low = top_of(b, spec, first + r)
        row, target = (
            grad_y + top * m.row + m.at(0, 0),
            to + r * (columns * m.padded_channels),
        )
        hidden = None if is_low is None else (is_low, done[0])
        with b.loop(whole) as t, b.loop(m.padded_channels, step=lanes) as c:
            at = row + (t * (spec.m * m.padded_channels) + c)
            cells = _cells(b, at, how, hidden, 0)
            _put(cells, target + (t * m.padded_channels + c), how)
        if done[1]:
            with b.loop(m.padded_channels, step=lanes) as c:
                at = row + c + (spec.extent[1] - spec.m) * m.padded_channels
                cells = _cells(b, at, how, hidden, done[1])
                _put(cells, target + c + whole * m.padded_channels, how)


How = tuple[Winograd, int, int]


def _cells(
    b: Builder,
    at: Pointer,
    how: How,
    hidden: tuple[Value, int] | None,
    columns: int,
) -> list[Vectors]:
    """Return a tile's columns, with zeros for what other tiles have as well."""
    (spec, _, lanes), m, zeros = how, how[0].conv.y, b.zeros(how[2])
    found = []
    for j in range(spec.m):
        column = [
            at.vector(i * m.row + j * m.padded_channels, lanes=lanes)
            for i in range(spec.m)
        ]
        if hidden is not None:
            is_low, rows = hidden
            column[:rows] = [b.select(is_low, zeros, v) for v in column[:rows]]
        found.append([zeros] * spec.m if j < columns else column)
    return found


def _put(cells: list[Vectors], to: Pointer, how: How) -> None:
    """Store A cells Aᵀ."""
    (spec, step, _), n = how, how[0].m + 2
    seen = [a(column, spec.m) for column in cells]
    for i in range(n):
        for j, value in enumerate(a([column[i] for column in seen], spec.m)):
            to.store(value, (n * i + j) * step)


def _product(
    b: Builder, x: Pointer, w: Pointer, to: Pointer, how: tuple[Conv, int]
) -> None:
    """to[c, o] += Σ x[tile, c] · w[tile, o]."""
    conv, tiles = how
    channels, m, n = conv.x.channels, conv.x.padded_channels, conv.y.padded_channels
    lanes = lanes_for(b, n)
    most, width = tile_shape(b, n // lanes, channels)
    for first, vectors, many in runs(split(n // lanes, width)):
        for p, length, times in runs(split(channels, most)):
            with b.loop(many) as block, b.loop(times) as k:
                o, c = (block * vectors + first) * lanes, k * length + p
                place = to + (c * n + o)
                start = [
                    [
                        place.vector(r * n + v * lanes, lanes=lanes)
                        for v in range(vectors)
                    ]
                    for r in range(length)
                ]
                sums = tile(
                    b,
                    x + c,
                    w + o,
                    rows=list(range(length)),
                    vectors=vectors,
                    axes=[Axis(tiles, m, n)],
                    lanes=lanes,
                    start=start,
                )
                for r, row in enumerate(sums):
                    for v, value in enumerate(row):
                        place.store(value, r * n + v * lanes)


@kernel(grad_u="f32*", grad_weight="f32*")
def winograd_grad_back(
    b: Builder, grad_u: Pointer, grad_weight: Pointer, *, spec: Winograd
) -> None:
    """grad_weight[u, v, c, o] += Gᵀ grad_u G."""
    conv = spec.conv
    out, rows, m, n = conv.y.padded_channels, conv.x.channels, spec.m, spec.m + 2
    lanes = lanes_for(b, out)
    with b.loop(rows) as c, b.loop(out, step=lanes) as o:
        at, to = grad_u + (c * out + o), grad_weight + (c * out + o)
        columns = []
        for j in range(n):
            spots = [(n * i + j) * apart(rows * out) for i in range(n)]
            columns.append(g_turned([at.vector(s, lanes=lanes) for s in spots], m))
        for u in range(3):
            for v, value in enumerate(g_turned([column[u] for column in columns], m)):
                place = to + (3 * u + v) * (conv.x.padded_channels * out)
                place.store(place.vector(lanes=lanes) + value)
