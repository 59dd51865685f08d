"""Gradient of a 3×3 convolution's weights by Winograd's algorithm, images joined.

For some weights the spots are summed over the tiles of several images at once and
transformed back while they are in the first cache: the gradient by the transformed
weights, four times as large, is never in memory.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    Value,
    in_parts,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.tile import Axis, lanes_for, runs, split, tile
from pellucid.engines.compiled.kernels.winograd.winograd_joined import (
    Joined,
    joined_scratch_size,
    most_rows,
    products_at,
    winograd_transform,
)
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import (
    Winograd,
    apart,
    g_turned,
)
from pellucid.engines.compiled.kernels.winograd.winograd_weight_grad import (
    transform_grad,
)

#: vectors of outputs in the register tile, and most of its rows and lanes
VECTORS, _ROWS, _LANES = 2, 13, 16


def joined_grad_scratch_size(j: Joined) -> int:
    """Return how many elements of scratch the tiles of the joined images take."""
    small = j.spec.spots * _ROWS * VECTORS * _LANES
    return joined_scratch_size(j) + small


@written_out
@kernel(
    x="f32*",
    grad_y="f32*",
    grad_weight="f32*",
    scratch="f32*",
    images="n",
    x_next="n",
    y_next="n",
)
def winograd_joined_grad(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad_weight: Pointer,
    scratch: Pointer,
    images: Value,
    x_next: Value,
    y_next: Value,
    *,
    spec: Joined,
) -> None:
    """grad_weight[u, v, c, o] += Σ over some images, so many elements apart."""
    conv = spec.spec.conv
    depth, out = conv.x.padded_channels, conv.y.padded_channels
    rows, zero = b.i64(spec.spec.tiles[0]), b.i64(0)
    grads = scratch + products_at(spec)
    transform = in_parts(winograd_transform)
    with b.loop(images, step=spec.images) as first:
        count = b.smaller(images - first, spec.images)
        with b.loop(count) as k:
            image, tile = first + k, k * spec.one
            at, to = x + image * x_next, scratch + tile * depth
            b.call(transform, at, to, zero, rows, spec=spec)
            at, to = grad_y + image * y_next, grads + tile * out
            b.call(winograd_transform_grad, at, to, spec=spec)
        _sum(b, (scratch, grads, grad_weight), spec, count * spec.one)


@written_out
@kernel(grad_y="f32*", to="f32*")
def winograd_transform_grad(
    b: Builder, grad_y: Pointer, to: Pointer, *, spec: Joined
) -> None:
    """to[spot][tile][o] = A grad_y Aᵀ for an image's tiles, among those of others."""
    rows = b.i64(0), spec.spec.tiles[0]
    transform_grad(b, grad_y, to, spec.spec, rows, spec.one * spec.images)


def _sum(
    b: Builder, places: tuple[Pointer, Pointer, Pointer], j: Joined, tiles: Value
) -> None:
    """Add the products over all tiles to the weights' gradient."""
    (scratch, grads, to), spec, most_tiles = places, j.spec, j.one * j.images
    conv = spec.conv
    channels, depth, out = (
        conv.x.channels,
        conv.x.padded_channels,
        conv.y.padded_channels,
    )
    left, right = apart(most_tiles * depth), apart(most_tiles * out)
    lanes = lanes_for(b, out)
    small = grads + spec.spots * right
    for first, width, many in runs(split(out // lanes, VECTORS)):
        most = min(most_rows(b, width), _ROWS)
        step = most * width * lanes
        for p, length, times in runs(split(channels, most)):
            with b.loop(many) as panel, b.loop(times) as k:
                o, c = (panel * width + first) * lanes, k * length + p
                with b.loop(spec.spots) as spot:
                    sums = tile(
                        b,
                        scratch + spot * left + c,
                        grads + spot * right + o,
                        rows=list(range(length)),
                        vectors=width,
                        axes=[Axis(tiles, depth, out)],
                        lanes=lanes,
                    )
                    for r, row in enumerate(sums):
                        for v, value in enumerate(row):
                            at = r * (width * lanes) + v * lanes
                            (small + spot * step).store(value, at)
                with b.loop(length * width) as i:
                    place = to + ((c + i // width) * out + o + i % width * lanes)
                    _back(b, small + i * lanes, place, spec, (step, lanes))


def _back(
    b: Builder, at: Pointer, to: Pointer, spec: Winograd, how: tuple[int, int]
) -> None:
    """Add Gᵀ spots G of one vector of weights."""
    n, (step, lanes), conv = spec.m + 2, how, spec.conv
    columns = [
        g_turned([at.vector((n * i + j) * step, lanes=lanes) for i in range(n)], spec.m)
        for j in range(n)
    ]
    tap = conv.x.padded_channels * conv.y.padded_channels
    for u in range(3):
        for v, value in enumerate(g_turned([column[u] for column in columns], spec.m)):
            place = (3 * u + v) * tap
            to.store(to.vector(place, lanes=lanes) + value, place)
