"""Winograd transform of the weights."""

from __future__ import annotations

from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    Value,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.tile import lanes_for, runs, split, tile_shape
from pellucid.engines.compiled.kernels.transpose import square
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import (
    Vectors,
    Winograd,
    g,
)

#: tiles of m × m that go together, at least, if there are so many: fewer rows of a
#: product reload the weights too often, more do not stay in the cache
TILES = {2: 12, 4: 8}
#: most rows of the register tile
ROWS = 14
#: spots of the larger tiles
MOST_SPOTS = 36


def weight_size(spec: Winograd) -> int:
    """Return how many numbers the transformed weights take."""
    if spec.on_amx:
        return spec.spots * right_size(spec)
    return spec.spots * spec.conv.x.channels * spec.conv.y.padded_channels


def tile_rows(spec: Winograd) -> int:
    """Return how many rows of tiles go together."""
    if spec.on_amx:
        return _filling(*spec.tiles)
    return min(spec.tiles[0], -(-TILES[spec.m] // spec.tiles[1]))


def tile_groups(spec: Winograd) -> int:
    """Return how many groups of rows of tiles there are."""
    return len(split(spec.tiles[0], tile_rows(spec)))


def _filling(rows: int, columns: int) -> int:
    """Return how many rows of tiles fill whole tiles of the processor best."""

    def waste(count: int) -> tuple[int, int]:
        tiles = [length * columns for _, length in split(rows, count)]
        return sum(padded(n, amx.EDGE) for n in tiles), count

    most = max(1, 2 * amx.EDGE // columns)
    return min(range(1, min(rows, most) + 1), key=waste)


def product_of(spec: Winograd, tiles: int) -> amx.Product:
    """Return one spot's product on AMX for so many tiles."""
    depth, outputs = spec.conv.x.padded_channels, spec.conv.y.padded_channels
    rows, tile = -(-tiles // amx.EDGE), amx.PARTS * amx.WORDS
    return amx.Product(
        rows=rows,
        columns=outputs // amx.EDGE,
        left_row=depth,
        left_part=rows * amx.EDGE * depth,
        left_step=amx.DEPTH,
        left_block=amx.EDGE * depth,
        right_step=tile,
        right_column=depth // amx.DEPTH * tile,
        sums_row=outputs,
    )


def right_size(spec: Winograd) -> int:
    """Return how many words one spot's transformed weights take on AMX."""
    steps, columns = (
        spec.conv.x.padded_channels // amx.DEPTH,
        spec.conv.y.padded_channels // amx.EDGE,
    )
    return steps * columns * amx.PARTS * amx.WORDS


def blocks(b: Builder, spec: Winograd) -> list[tuple[int, int, int]]:
    """Cut the outputs: [(first vector, vectors together, how many)]."""
    vectors = spec.conv.y.padded_channels // lanes_for(b, spec.conv.y.padded_channels)
    rows = min(tile_rows(spec) * spec.tiles[1], ROWS)
    _, width = tile_shape(b, vectors, rows)
    if width > 2 and (rows + 1) * width > b.registers - 4:
        width = 2  # LLVM moves loads ahead, and would run out of registers
    return runs(split(vectors, width))


def taps_size(lanes: int) -> int:
    """Return how many elements of scratch the weights' transforms need."""
    return 9 * lanes * lanes + 2 * MOST_SPOTS * lanes


@kernel(w="f32*", u="f32*", kept="f32*")
def winograd_weight(
    b: Builder, w: Pointer, u: Pointer, kept: Pointer, *, spec: Winograd
) -> None:
    """u = G g Gᵀ for each pair of channels: [block of outputs][spot][in][outputs].

    ``kept`` has room for `taps_size` elements.
    """
    channels, out = spec.conv.x.channels, spec.conv.y.padded_channels
    tap, k_step, n_step = _strides(spec, spec.conv.x.padded_channels, out)
    whole = lanes_for(b, out)
    lanes = (
        whole if n_step == 1 else min(whole, lanes_for(b, spec.conv.x.padded_channels))
    )
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
                    places = at + k, to, kept
                    _turned_block(b, places, k, (spec, lanes, tap, n_step, size))


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
    places: tuple[Pointer, Pointer, Pointer],
    k: Value,
    how: tuple[Winograd, int, int, int, int],
) -> None:
    """Transform a square of weights whose vectors lie along the input channels."""
    (w, to, kept), (spec, lanes, tap, n_step, size) = places, how
    channels = spec.conv.x.channels
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
    for spot, value in enumerate(_transformed(taps, spec)):
        to.store(value, spot * step)


def amx_steps(spec: Winograd) -> tuple[int, int]:
    """Return how far 16 outputs are apart in the weights, and in ``u``."""
    _, _, n_step = _strides(
        spec, spec.conv.x.padded_channels, spec.conv.y.padded_channels
    )
    return amx.EDGE * n_step, product_of(spec, 1).right_column


@written_out
@kernel(w="f32*", u="f32*", kept="f32*")
def winograd_amx_weight(
    b: Builder, w: Pointer, u: Pointer, kept: Pointer, *, spec: Winograd
) -> None:
    """u[spot] = the right side of a product on AMX, for 16 outputs.

    ``kept`` has room for `taps_size` elements.
    """
    depth, product, lanes = spec.conv.x.padded_channels, product_of(spec, 1), amx.EDGE
    tap, k_step, n_step = _strides(spec, depth, spec.conv.y.padded_channels)
    size = lanes * lanes
    with b.loop(depth, step=lanes) as k:
        with b.loop(9) as t:
            at, row_step = w + (t * tap + k * k_step), max(k_step, n_step)
            rows = [at.vector(r * row_step, lanes=lanes) for r in range(lanes)]
            for r, row in enumerate(rows if n_step == 1 else square(b, rows)):
                (kept + t * size).store(row, r * lanes)
        first = k // amx.DEPTH * product.right_step + k % amx.DEPTH // 2 * lanes
        to = u.cast("i32") + first
        with b.loop(lanes // 2) as i:
            with b.loop(2) as half:
                at = kept + (2 * i + half) * lanes
                own = kept + half * (spec.spots * lanes)
                taps = [at.vector(t * size) for t in range(9)]
                for n, value in enumerate(_transformed(taps, spec)):
                    own.store(value, 9 * size + n * lanes)
            with b.loop(spec.spots) as spot:
                pair = kept + (spot * lanes + 9 * size)
                even, odd = pair.vector(), pair.vector(spec.spots * lanes)
                place = to + (spot * right_size(spec) + i * lanes)
                for part, words in enumerate(amx.paired(b, even, odd)):
                    place.store(words, part * amx.WORDS)


def _transformed(taps: Vectors, spec: Winograd) -> Vectors:
    """Return G g Gᵀ, row by row."""
    if spec.is_turned:
        taps = taps[::-1]
    m, n = spec.m, spec.m + 2
    columns = [g(taps[x::3], m) for x in range(3)]
    return [v for i in range(n) for v in g([column[i] for column in columns], m)]
