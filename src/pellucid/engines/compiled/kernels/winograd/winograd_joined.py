"""3×3 convolution by Winograd's algorithm, all tiles of an image or of several at once.

`winograd_forward` takes a few rows of tiles from end to end and reads all transformed
weights for each such group. Where these are larger than the second cache, or a map has
few tiles, that takes longer than the arithmetic. Here every spot's weights are read
once for all tiles of one large map, or of several images with small ones.

As three steps, which workers share: tiles are transformed by rows, products are made by
spots, and outputs transformed back by rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    Value,
    in_parts,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.tile import Axis, Part, lanes_for, runs, split
from pellucid.engines.compiled.kernels.tile import tile as register_tile
from pellucid.engines.compiled.kernels.winograd.winograd import (
    outputs,
    transform_input,
)
from pellucid.engines.compiled.kernels.winograd.winograd_layout import (
    Floats,
    Parts,
    TileLayout,
)
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import (
    GAP,
    Winograd,
    apart,
)
from pellucid.engines.compiled.kernels.winograd.winograd_weight import (
    blocks,
    product_of,
    right_size,
)

#: tiles that go together, about, and the most that one image may have
TILES, MOST_TILES = 64, 64
#: images that go together at most
IMAGES = 16
#: bytes of transformed weights that stay in the second cache
CACHED = 1 << 20
#: floats of a cache line
LINE = 16
#: tiles of an image from which its products fill registers
ENOUGH = 4


@dataclass(frozen=True, slots=True)
class Joined:
    """A convolution by Winograd's algorithm, and how many images go together."""

    spec: Winograd
    images: int

    @property
    def one(self) -> int:
        """Tiles of one image."""
        return prod(self.spec.tiles)


def join(spec: Winograd) -> Joined | None:
    """Return how images are joined, or None where each does better alone."""
    tiles = prod(spec.tiles)
    size = 4 * spec.spots * spec.conv.x.channels * spec.conv.y.padded_channels
    if spec.pooled or spec.keeps_zeros or tiles > MOST_TILES:
        return None
    if tiles >= ENOUGH and (size <= CACHED or (spec.m == 2 and tiles >= 16)):
        return None
    most = max(1, min(IMAGES, TILES // tiles))
    return Joined(replace(spec, writes_once=True), 1 << (most.bit_length() - 1))


class _Layout:
    """How transformed tiles of ``images`` images lie, and then their products."""

    def __init__(self, j: Joined) -> None:
        spec, self.tiles = j.spec, j.one * j.images
        self.spec, rows = spec, self.tiles
        self.depth = spec.conv.x.padded_channels
        self.outputs = spec.conv.y.padded_channels
        if spec.on_amx:
            rows = padded(self.tiles, amx.EDGE)
            halves = amx.PARTS * rows * self.depth + amx.DEPTH  # as `Parts.spot` says
            self.step_in, self.tile_in = halves // 2, self.depth // 2
        else:
            self.step_in, self.tile_in = apart(rows * self.depth), self.depth
        self.step_out = apart(rows * self.outputs)

    def of(self, scratch: Pointer) -> TileLayout:
        """Return the layout of tiles that begin at a place."""
        kind = Parts if self.spec.on_amx else Floats
        return kind(scratch, self.tiles, self.depth)


def products_at(j: Joined) -> int:
    """Return where products begin in the scratch, behind the transformed tiles."""
    return j.spec.spots * _Layout(j).step_in


def joined_scratch_size(j: Joined) -> int:
    """Return how many elements of scratch the tiles and products of a group take."""
    return products_at(j) + j.spec.spots * _Layout(j).step_out + GAP


@written_out
@kernel(x="f32*", scratch="f32*")
def winograd_transform(
    b: Builder, x: Pointer, scratch: Pointer, *, spec: Joined, part: Part | None = None
) -> None:
    """Transform an image's tiles; a part is some rows of them."""
    lay, columns = _Layout(spec), spec.spec.tiles[1]
    first, last = part or (b.i64(0), b.i64(spec.spec.tiles[0]))
    to = lay.of(scratch + first * (columns * lay.tile_in))
    rows = first, last - first
    transform_input(b, x, to, spec.spec, rows, in_one_loop=True)


@written_out
@kernel(made="f32*", bias="f32*", y="f32*")
def winograd_outputs(
    b: Builder,
    made: Pointer,
    bias: Pointer,
    y: Pointer,
    *,
    spec: Joined,
    part: Part | None = None,
) -> None:
    """Transform an image's products back; a part is some rows of tiles."""
    lay, columns = _Layout(spec), spec.spec.tiles[1]
    first, last = part or (b.i64(0), b.i64(spec.spec.tiles[0]))
    made = made + first * (columns * lay.outputs)
    how = (first, last - first, b.i64(0), lay.outputs, lay.step_out)
    outputs(b, (made, bias, y, y, y), spec.spec, how)


@written_out
@kernel(scratch="f32*", u="f32*", made="f32*")
def winograd_products(
    b: Builder,
    scratch: Pointer,
    u: Pointer,
    made: Pointer,
    *,
    spec: Joined,
    part: Part | None = None,
) -> None:
    """Multiply the tiles of one image by the weights; a part is some spots."""
    _products(b, (scratch, u, made), spec, 1, part)


def _products(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    j: Joined,
    images: int,
    part: Part | None = None,
) -> None:
    """made[spot][tile][o] = Σ tiles[spot][tile][c] · u[spot][c][o]."""
    (scratch, u, made), spec, lay = places, j.spec, _Layout(j)
    first, last = part or (b.i64(0), b.i64(spec.spots))
    tiles, channels = j.one * images, spec.conv.x.channels
    if spec.on_amx:
        product = product_of(spec, lay.tiles)
        product = replace(product, rows=-(-tiles // amx.EDGE))
        left, right = lay.of(scratch).at(0, 0), u.cast("i32")
        with amx.tiles(b), b.loop(last, start=first) as spot:
            amx.multiply(
                b,
                left + spot * (2 * lay.step_in),
                right + spot * right_size(spec),
                made + spot * lay.step_out,
                lay.depth // amx.DEPTH,
                product,
            )
        return
    lanes = lanes_for(b, lay.outputs)
    with b.loop(last, start=first) as spot:
        for v, width, many in blocks(b, spec):
            size = width * lanes
            with b.loop(many) as block:
                o = block * size + v * lanes
                at = o * (spec.spots * channels) + spot * (channels * size)
                here = scratch + spot * lay.step_in, u + at
                to = made + spot * lay.step_out + o
                next_o, is_last = o + size, o + size >= lay.outputs
                following = next_o * (spec.spots * channels) + spot * (channels * size)
                first_of_next = (spot + 1) * (channels * blocks(b, spec)[0][1] * lanes)
                ahead = b.select(is_last, first_of_next, following) - at
                _panel(b, (*here, to), lay, tiles, (width, ahead))


def _panel(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    lay: _Layout,
    tiles: int,
    panel: tuple[int, Value],
) -> None:
    """Make the products of all tiles with one panel of weights.

    ``panel`` is its width in vectors, and how many elements on the next one begins.
    Each register tile asks for its share of that one, so that memory is busy all the
    time instead of in the first tile alone.
    """
    left, u, to = places
    width, ahead = panel
    lanes, channels = lanes_for(b, lay.outputs), lay.spec.conv.x.channels
    cuts = split(tiles, most_rows(b, width))
    for p, length, times in runs(cuts):
        with b.loop(times) as j:
            t = j * length + p
            turn = t * len(cuts) // tiles

            def ask(step: Value, steps: int, turn: Value = turn) -> None:
                size = width * lanes
                lines = -(-(steps * size // LINE) // len(cuts))
                share = turn * (channels * size // len(cuts))
                place = u + (ahead + share + step * size // len(cuts))
                for n in range(lines):
                    b.prefetch(place + n * LINE)

            sums = register_tile(
                b,
                left + t * lay.depth,
                u,
                rows=[r * lay.depth for r in range(length)],
                vectors=width,
                axes=[Axis(channels, 1, width * lanes)],
                lanes=lanes,
                ask=ask,
            )
            place = to + t * lay.outputs
            for r, row in enumerate(sums):
                for v, value in enumerate(row):
                    place.store(value, r * lay.outputs + v * lanes)


def most_rows(b: Builder, width: int) -> int:
    """Return the most rows of a tile; LLVM loads ahead, so some registers stay free."""
    spare = 3 if b.registers > 16 else 1
    return max(1, (b.registers - spare - width) // width)


def groups(b: Builder, images: Value, most: int) -> Iterator[tuple[Value, int]]:
    """Yield (first image, how many) by loops: large groups, then what is left."""
    done, size = b.i64(0), most
    while size:
        many = (images - done) // size
        with b.loop(many) as n:
            yield done + n * size, size
        done = done + many * size
        size = max(size // 4, 1) if size > 1 else 0


@written_out
@kernel(
    x="f32*",
    u="f32*",
    bias="f32*",
    y="f32*",
    scratch="f32*",
    images="n",
    x_next="n",
    y_next="n",
)
def winograd_joined(
    b: Builder,
    x: Pointer,
    u: Pointer,
    bias: Pointer,
    y: Pointer,
    scratch: Pointer,
    images: Value,
    x_next: Value,
    y_next: Value,
    *,
    spec: Joined,
) -> None:
    """y = f(x * w + bias) of some images, ``x_next`` and ``y_next`` elements apart."""
    lay, rows = _Layout(spec), b.i64(spec.spec.tiles[0])
    made, zero = scratch + products_at(spec), b.i64(0)
    transform, back = in_parts(winograd_transform), in_parts(winograd_outputs)
    for first, count in groups(b, images, spec.images):
        with b.loop(count) as k:
            at, to = x + (first + k) * x_next, scratch + k * (spec.one * lay.tile_in)
            b.call(transform, at, to, zero, rows, spec=spec)
        _products(b, (scratch, u, made), spec, count)
        with b.loop(count) as k:
            at, to = made + k * (spec.one * lay.outputs), y + (first + k) * y_next
            b.call(back, at, bias, to, zero, rows, spec=spec)
