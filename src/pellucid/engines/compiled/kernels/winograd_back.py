"""This file is the weights' derivative of a convolution by Winograd's algorithm.

The convolution is bilinear in the transformed inputs and weights, so the derivative by
the transformed weights is one product per spot as well, now summed over tiles,

    grad_u = Σ over tiles (Bᵀ d B) ⊗ (A grad_y Aᵀ),    grad_g = Gᵀ grad_u G,

with as few multiplications as the convolution. The first is done for every image,
the second once for all of them.
"""

from __future__ import annotations

from dataclasses import replace

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
from pellucid.engines.compiled.kernels.winograd import transform_input
from pellucid.engines.compiled.kernels.winograd_scheme import (
    Winograd,
    a,
    g_turned,
    winograd_fits,
)

#: transformed tiles that are kept at once, at least, if there are so many
TILES = 16


def winograd_back_fits(conv: Conv) -> bool:
    """Return whether the algorithm applies: as `winograd_fits`, and tiles are whole."""
    return winograd_fits(conv) and conv.y.height % 2 == conv.y.width % 2 == 0


def _whole(spec: Winograd) -> Winograd:
    """Return the largest tiles that cut the output without a rest."""
    return replace(spec, edge=4 if all(n % 4 == 0 for n in spec.extent) else 2)


def grad_size(spec: Winograd) -> int:
    """Return how many numbers the derivative by the transformed weights takes."""
    spec = _whole(spec)
    return spec.spots * spec.conv.x.channels * spec.conv.y.stored


def back_scratch_size(spec: Winograd) -> int:
    """Return how many numbers of scratch a worker needs."""
    spec = _whole(spec)
    tiles = _tile_rows(spec) * spec.tiles[1]
    return spec.spots * tiles * (spec.conv.x.stored + spec.conv.y.stored)


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
    spec, conv = _whole(spec), spec.conv
    for first, count, many in runs(split(spec.tiles[0], _tile_rows(spec))):
        tiles = count * spec.tiles[1]
        grads = scratch + spec.spots * tiles * conv.x.stored
        with b.loop(many) as group:
            row = group * count + first
            transform_input(b, x, scratch, spec, (row, count))
            _transform_grad(b, grad_y, grads, spec, (row, count))
            with b.loop(spec.spots) as spot:
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
    source, e, n = grad_y + m.at(0, 0), spec.m, spec.m + 2
    with b.loop(count) as r, b.loop(columns) as t, b.loop(m.stored, step=lanes) as c:
        at = source + ((first + r) * (e * m.row) + t * (e * m.stored) + c)
        target = to + ((r * columns + t) * m.stored + c)
        seen = []
        for j in range(e):
            column = at + j * m.stored
            seen.append(a([column.vector(i * m.row, lanes=lanes) for i in range(e)], e))
        for i in range(n):
            for j, value in enumerate(a([column[i] for column in seen], e)):
                target.store(value, (n * i + j) * step)


def _product(
    b: Builder, x: Pointer, w: Pointer, to: Pointer, how: tuple[Conv, int]
) -> None:
    """to[c, o] += Σ x[tile, c] · w[tile, o]."""
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
    spec, conv = _whole(spec), spec.conv
    out, rows, m, n = conv.y.stored, conv.x.channels, spec.m, spec.m + 2
    lanes = lanes_for(b, out)
    with b.loop(rows) as c, b.loop(out, step=lanes) as o:
        at, to = grad_u + (c * out + o), grad_weight + (c * out + o)
        columns = []
        for j in range(n):
            spots = [(n * i + j) * rows * out for i in range(n)]
            columns.append(g_turned([at.vector(s, lanes=lanes) for s in spots], m))
        for u in range(3):
            for v, value in enumerate(g_turned([column[u] for column in columns], m)):
                place = to + (3 * u + v) * (conv.x.stored * out)
                place.store(place.vector(lanes=lanes) + value)
