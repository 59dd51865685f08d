"""Winograd transform of the weights."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
    sized,
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


@dataclass(frozen=True, slots=True)
class WeightForm:
    """The weights' transform for any number of channels.

    There are ``wide`` blocks of ``wide_size`` outputs, then ``narrow`` ones. Vectors
    lie along the outputs, or ``across`` them; ``is_turned`` flips the taps.
    """

    channels: Number
    tap: Number
    k_step: Number
    n_step: Number
    wide: Number
    wide_size: Number
    narrow: Number
    narrow_size: Number
    m: int
    lanes: int
    across: bool
    is_turned: bool

    @property
    def spots(self) -> int:
        """Products of a tile."""
        return (self.m + 2) ** 2


def _weight_form(b: Builder, spec: Winograd) -> WeightForm:
    depth, out = spec.conv.x.padded_channels, spec.conv.y.padded_channels
    tap, k_step, n_step = _strides(spec, depth, out)
    whole, across = lanes_for(b, out), n_step != 1
    (_, width, many), (_, less, few) = (*blocks(b, spec), (0, 0, 0))[:2]
    return WeightForm(
        channels=spec.conv.x.channels,
        tap=tap,
        k_step=k_step,
        n_step=n_step,
        wide=many,
        wide_size=width * whole,
        narrow=few,
        narrow_size=less * whole,
        m=spec.m,
        lanes=min(whole, lanes_for(b, depth)) if across else whole,
        across=across,
        is_turned=spec.is_turned,
    )


@sized(_weight_form)
@kernel(w="f32*", u="f32*", kept="f32*")
def winograd_weight(
    b: Builder, w: Pointer, u: Pointer, kept: Pointer, *, spec: WeightForm
) -> None:
    """u = G g Gᵀ for each pair of channels: [block of outputs][spot][in][outputs].

    ``kept`` has room for `taps_size` elements.
    """
    channels, lanes, wide = b.i64(spec.channels), spec.lanes, b.i64(spec.wide)
    with b.loop(wide + spec.narrow) as block:
        is_wide = block < wide
        size = b.select(is_wide, b.i64(spec.wide_size), b.i64(spec.narrow_size))
        before = wide * spec.wide_size + (block - wide) * spec.narrow_size
        n = b.select(is_wide, block * spec.wide_size, before)
        with b.loop(size, step=lanes) as v:
            to = u + n * (channels * spec.spots) + v
            if not spec.across:
                with b.loop(channels) as k:
                    row = w + (n + v + k * spec.k_step)
                    taps = [
                        row.vector(b.i64(spec.tap) * t, lanes=lanes) for t in range(9)
                    ]
                    _put(b, taps, to + k * size, channels * size, spec)
            else:
                with b.loop(channels, step=lanes) as k:
                    places = w + ((n + v) * spec.n_step + k), to, kept
                    _turned_block(b, places, k, (spec, size))


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
    how: tuple[WeightForm, Value],
) -> None:
    """Transform a square of weights whose vectors lie along the input channels."""
    (w, to, kept), (spec, size) = places, how
    channels, n_step, lanes = b.i64(spec.channels), b.i64(spec.n_step), spec.lanes
    with b.loop(9) as t:
        at = w + t * spec.tap
        rows = [at.vector(n_step * r, lanes=lanes) for r in range(lanes)]
        for r, row in enumerate(square(b, rows)):
            (kept + t * (lanes * lanes)).store(row, r * lanes)
    with b.loop(b.smaller(channels - k, lanes)) as i:
        at, square_size = kept + i * lanes, lanes * lanes
        taps = [at.vector(t * square_size, lanes=lanes) for t in range(9)]
        _put(b, taps, to + (k + i) * size, channels * size, spec)


def _put(b: Builder, taps: Vectors, to: Pointer, step: Value, spec: WeightForm) -> None:
    for spot, value in enumerate(_transformed(taps, spec)):
        to.store(value, step * spot)


def amx_steps(spec: Winograd) -> tuple[int, int]:
    """Return how far 16 outputs are apart in the weights, and in ``u``."""
    _, _, n_step = _strides(
        spec, spec.conv.x.padded_channels, spec.conv.y.padded_channels
    )
    columns = spec.conv.y.padded_channels // amx.EDGE
    return amx.EDGE * n_step, right_size(spec) // columns


@dataclass(frozen=True, slots=True)
class AmxWeightForm:
    """The same on AMX: rows of a square lie ``row_step`` apart, ``across`` or not."""

    depth: Number
    tap: Number
    k_step: Number
    row_step: Number
    right_step: Number
    right_size: Number
    m: int
    across: bool
    is_turned: bool

    @property
    def spots(self) -> int:
        """Products of a tile."""
        return (self.m + 2) ** 2


def _amx_weight_form(b: Builder, spec: Winograd) -> AmxWeightForm:
    del b
    depth = spec.conv.x.padded_channels
    tap, k_step, n_step = _strides(spec, depth, spec.conv.y.padded_channels)
    return AmxWeightForm(
        depth=depth,
        tap=tap,
        k_step=k_step,
        row_step=max(k_step, n_step),
        right_step=product_of(spec, 1).right_step,
        right_size=right_size(spec),
        m=spec.m,
        across=n_step != 1,
        is_turned=spec.is_turned,
    )


@sized(_amx_weight_form)
@written_out
@kernel(w="f32*", u="f32*", kept="f32*")
def winograd_amx_weight(
    b: Builder, w: Pointer, u: Pointer, kept: Pointer, *, spec: AmxWeightForm
) -> None:
    """u[spot] = the right side of a product on AMX, for 16 outputs.

    ``kept`` has room for `taps_size` elements.
    """
    lanes = amx.EDGE
    size, row_step = lanes * lanes, b.i64(spec.row_step)
    with b.loop(spec.depth, step=lanes) as k:
        with b.loop(9) as t:
            at = w + (t * spec.tap + k * spec.k_step)
            rows = [at.vector(row_step * r, lanes=lanes) for r in range(lanes)]
            for r, row in enumerate(square(b, rows) if spec.across else rows):
                (kept + t * size).store(row, r * lanes)
        first = k // amx.DEPTH * spec.right_step + k % amx.DEPTH // 2 * lanes
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
                place = to + (spot * spec.right_size + i * lanes)
                for part, words in enumerate(amx.paired(b, even, odd)):
                    place.store(words, part * amx.WORDS)


def _transformed(taps: Vectors, spec: WeightForm | AmxWeightForm) -> Vectors:
    """Return G g Gᵀ, row by row."""
    if spec.is_turned:
        taps = taps[::-1]
    m, n = spec.m, spec.m + 2
    columns = [g(taps[x::3], m) for x in range(3)]
    return [v for i in range(n) for v in g([column[i] for column in columns], m)]
