"""This file is Winograd's transform of the weights, once for each change of them."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.ir import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.tile import lanes_for, runs, split, tile_shape
from pellucid.engines.compiled.kernels.turn import square
from pellucid.engines.compiled.kernels.winograd_scheme import Vectors, Winograd, g

#: tiles of m × m that go together, at least, if there are so many: fewer rows of a
#: product reload the weights too often, more do not stay in the cache
TILES = {2: 12, 4: 8}
#: most rows of the register tile
ROWS = 14


def weight_size(spec: Winograd) -> int:
    """Return how many numbers the transformed weights take."""
    return spec.spots * spec.conv.x.channels * spec.conv.y.stored


def tile_rows(spec: Winograd) -> int:
    """Return how many rows of tiles go together."""
    return min(spec.tiles[0], -(-TILES[spec.m] // spec.tiles[1]))


def blocks(b: Builder, spec: Winograd) -> list[tuple[int, int, int]]:
    """Cut the outputs: [(first vector, vectors together, how many)]."""
    vectors = spec.conv.y.stored // lanes_for(b, spec.conv.y.stored)
    rows = min(tile_rows(spec) * spec.tiles[1], ROWS)
    _, width = tile_shape(b, vectors, rows)
    if width > 2 and (rows + 1) * width > b.registers - 4:
        width = 2  # LLVM moves loads ahead, and would run out of registers
    return runs(split(vectors, width))


@kernel(w="f32*", u="f32*")
def winograd_weight(b: Builder, w: Pointer, u: Pointer, *, spec: Winograd) -> None:
    """u = G g Gᵀ for each pair of channels: [block of outputs][spot][in][outputs]."""
    channels, out = spec.conv.x.channels, spec.conv.y.stored
    tap, k_step, n_step = _strides(spec, spec.conv.x.stored, out)
    whole = lanes_for(b, out)
    lanes = whole if n_step == 1 else min(whole, lanes_for(b, spec.conv.x.stored))
    for first, width, many in blocks(b, spec):
        size = width * whole
        with b.loop(many) as block, b.loop(size, step=lanes) as v:
            n = block * size + first * whole
            at = w + (n + v) * n_step
            to = u + n * (spec.spots * channels) + v
            if n_step == 1:
                with b.loop(channels) as k:
                    row = at + k * k_step
                    taps = [row.vector(t * tap, lanes=lanes) for t in range(9)]
                    _put(b, taps, to + k * size, channels * size, spec)
            else:
                with b.loop(channels, step=lanes) as k:
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
    channels = spec.conv.x.channels
    kept = b.scratch("f32", 9 * lanes * lanes)
    with b.loop(9) as t:
        at = w + t * tap
        rows = [at.vector(r * n_step, lanes=lanes) for r in range(lanes)]
        for r, row in enumerate(square(b, rows)):
            (kept + t * (lanes * lanes)).store(row, r * lanes)
    with b.loop(b.smaller(b.i64(channels) - k, lanes)) as i:
        at, square_size = kept + i * lanes, lanes * lanes
        taps = [at.vector(t * square_size, lanes=lanes) for t in range(9)]
        _put(b, taps, to + (k + i) * size, channels * size, spec)


def _put(b: Builder, taps: Vectors, to: Pointer, step: int, spec: Winograd) -> None:
    if spec.is_turned:
        taps = taps[::-1]
    m, n = spec.m, spec.m + 2
    columns = [g(taps[x::3], m) for x in range(3)]
    for i in range(n):
        for j, value in enumerate(g([column[i] for column in columns], m)):
            to.store(value, (n * i + j) * step)
