"""This file is the weights' derivative of a convolution by Winograd's algorithm.

The convolution is bilinear in the transformed inputs and weights, so the derivative by
the transformed weights is 16 products as well, now summed over tiles,

    grad_u = Σ over tiles (Bᵀ d B) ⊗ (A grad_y Aᵀ),    grad_g = Gᵀ grad_u G,

with 16 multiplications where the definition has 36. The first is done for every image,
the second once for all of them.
"""

from __future__ import annotations

from pellucid.engines.compiled.kernels.conv import Conv
from pellucid.engines.compiled.kernels.ir import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    lanes_for,
    runs,
    split,
    tile,
    tile_shape,
)
from pellucid.engines.compiled.kernels.winograd import (
    SPOTS,
    Winograd,
    transform_input,
    winograd_fits,
)

#: transformed tiles that are kept at once, at least, if there are so many
TILES = 16

Vectors = list[Value]


def winograd_back_fits(conv: Conv) -> bool:
    """Return whether the algorithm applies: as `winograd_fits`, and tiles are whole."""
    return winograd_fits(conv) and conv.y.height % 2 == conv.y.width % 2 == 0


def grad_size(spec: Winograd) -> int:
    """Return how many numbers the derivative by the transformed weights takes."""
    return SPOTS * spec.conv.x.channels * spec.conv.y.stored


def back_scratch_size(spec: Winograd) -> int:
    """Return how many numbers of scratch a worker needs."""
    tiles = _tile_rows(spec) * spec.tiles[1]
    return SPOTS * tiles * (spec.conv.x.stored + spec.conv.y.stored)


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
        grads = scratch + SPOTS * tiles * conv.x.stored
        with b.loop(many) as group:
            row = group * count + first
            transform_input(b, x, scratch, spec, (row, count))
            _transform_grad(b, grad_y, grads, spec, (row, count))
            with b.loop(SPOTS) as spot:
                _product(
                    b,
                    scratch + spot * (tiles * conv.x.stored),
                    grads + spot * (tiles * conv.y.stored),
                    grad_u + spot * (conv.x.channels * conv.y.stored),
                    (conv, tiles),
                )


def _transform_grad(
    b: Builder, grad_y: Pointer, to: Pointer, spec: Winograd, rows: tuple[Value, int]
) -> None:
    """to[spot][tile][channel] = A grad_y Aᵀ for some rows of tiles."""
    (first, count), (_, columns), m = rows, spec.tiles, spec.conv.y
    lanes, step = lanes_for(b, m.stored), count * columns * m.stored
    source = grad_y + m.at(0, 0)
    with b.loop(count) as r, b.loop(columns) as t, b.loop(m.stored, step=lanes) as c:
        at = source + ((first + r) * (2 * m.row) + t * (2 * m.stored) + c)
        target = to + ((r * columns + t) * m.stored + c)
        seen = [
            _a([at.vector(i * m.row + j * m.stored, lanes=lanes) for i in range(2)])
            for j in range(2)
        ]
        for i in range(4):
            for j, value in enumerate(_a([column[i] for column in seen])):
                target.store(value, (4 * i + j) * step)


def _a(d: Vectors) -> Vectors:
    """Return A d."""
    return [d[0], d[0] + d[1], d[0] - d[1], -d[1]]


def _product(
    b: Builder, a: Pointer, w: Pointer, to: Pointer, how: tuple[Conv, int]
) -> None:
    """to[c, o] += Σ a[tile, c] · w[tile, o]."""
    conv, tiles = how
    channels, m, n = conv.x.channels, conv.x.stored, conv.y.stored
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
                    a + c,
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
    n, rows = conv.y.stored, conv.x.channels
    lanes = lanes_for(b, n)
    with b.loop(rows) as c, b.loop(n, step=lanes) as o:
        at, to = grad_u + (c * n + o), grad_weight + (c * n + o)
        columns = [
            _gt([at.vector((4 * i + j) * rows * n, lanes=lanes) for i in range(4)])
            for j in range(4)
        ]
        for u in range(3):
            for v, value in enumerate(_gt([column[u] for column in columns])):
                place = to + (3 * u + v) * (conv.x.stored * n)
                place.store(place.vector(lanes=lanes) + value)


def _gt(d: Vectors) -> Vectors:
    """Return Gᵀ d."""
    half = (d[1] + d[2]) * 0.5
    return [d[0] + half, (d[1] - d[2]) * 0.5, half + d[3]]
