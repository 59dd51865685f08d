"""Integer convolutions of codes on AMX tiles.

One instruction adds the product of up to 16 pixels of 64 codes and 64 × 16 weights to
16 × 16 sums, in as many cycles as there are pixels. Codes and weights are read where
`code_sums` has them: a run of codes is a row of the left tile, a word of each of 16
outputs one of the right. Sums are integers, so the bits are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.layout import NO_HALO
from pellucid.engines.compiled.kernels.quantized.code_scaling import Scaler
from pellucid.engines.compiled.kernels.quantized.code_sums import (
    WORD,
    CodeSums,
    start_of,
)
from pellucid.engines.compiled.kernels.tile import Part, runs, split

#: tiles of pixels and of outputs whose sums stay in the processor
_BLOCK = 2
#: words and pixels of a product, and words of a sum, below which vectors are as fast
_LEAST_WORDS, _LEAST_PIXELS, _LEAST_DEPTH = 8, 8, 32
#: pixels whose sums are scaled together
_SCALED = 4


@dataclass(frozen=True, slots=True)
class TileSums:
    """The convolution, and how its pixels are cut into tiles."""

    sums: CodeSums

    @property
    def is_joined(self) -> bool:
        """Whether all pixels of the image lie in one row, in x and in y."""
        s = self.sums
        is_bare = s.x.halo == s.y.halo == NO_HALO
        return is_bare and s.kernel == s.stride == (1, 1)

    @property
    def width(self) -> int:
        """Pixels of a row."""
        y = self.sums.y
        return y.width * y.height if self.is_joined else y.width

    @property
    def tiles(self) -> int:
        """Tiles of a row."""
        return ceil(self.width / amx.EDGE)

    @property
    def pixels(self) -> int:
        """Pixels of a tile; the last ones of a row may be made twice."""
        return ceil(self.width / self.tiles)

    @property
    def depth(self) -> int:
        """Words of a run that one product takes: as many as divide it."""
        words = self.sums.words
        return max(n for n in range(1, amx.EDGE + 1) if words % n == 0)

    @property
    def parts(self) -> int:
        """Units of the work: rows, or blocks of the only one."""
        return ceil(self.tiles / _BLOCK) if self.is_joined else self.sums.y.height

    @property
    def scratch_size(self) -> int:
        """Sums of a block."""
        return (_BLOCK * amx.EDGE) ** 2


def fits(sums: CodeSums) -> bool:
    """Return whether a convolution fills tiles."""
    if sums.dot != "vnni" or sums.is_depthwise or sums.y.padded_channels % amx.EDGE:
        return False
    spec = TileSums(sums)
    is_deep = sums.kernel[0] * sums.runs * sums.words >= _LEAST_DEPTH
    is_full = spec.depth >= _LEAST_WORDS and spec.pixels >= _LEAST_PIXELS
    return is_deep and is_full


@kernel(x="i8*", weight="f32*", bias="f32*", factors="f32*", y="i8*", scratch="f32*")
def conv_codes_amx(
    b: Builder,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    factors: Pointer,
    y: Pointer,
    scratch: Pointer,
    *,
    spec: TileSums,
    part: Part | None = None,
) -> None:
    """y = clip(round(factor · (x * w + bias))). A part is some of `TileSums.parts`."""
    s, edge, count = spec.sums, amx.EDGE, spec.pixels
    m, out = s.x, s.y.padded_channels
    step = s.stride[1] * m.padded_channels
    words, sums = weight.cast("i32"), scratch.cast("i32")
    x = x + m.at(-s.top_left[0], -s.top_left[1])
    y = y + s.y.at(0, 0)
    first, last = part or (0, spec.parts)

    def block(row: Value, pixels: list[Value], channel: Value, columns: int) -> None:
        """Make the sums of some tiles of pixels and of outputs, and scale them."""
        cells = list(product(range(len(pixels)), range(columns)))
        places = {(r, c): sums + (r * count * _BLOCK + c) * edge for r, c in cells}
        for cell in cells:
            amx.instruct(b, "tilezero", _tile(cell))
        left = [x + (row * (s.stride[0] * m.row) + j * step) for j in pixels]
        right = words + channel + out
        with (
            b.loop(s.kernel[0]) as u,
            b.loop(s.runs) as v,
            b.loop(s.words // spec.depth) as k,
        ):
            of_x = u * (s.dilation[0] * m.row) + v * (s.dilation[1] * m.padded_channels)
            of_x = of_x + k * (spec.depth * WORD)
            of_w = ((u * s.runs + v) * s.words + k * spec.depth) * out
            for r, place in enumerate(left):
                amx.instruct(b, "tileloadd64", 4 + r, place + of_x, step)
            for c in range(columns):
                place = right + of_w + c * edge
                amx.instruct(b, "tileloadd64", 6 + c, place, 4 * out)
                for r in range(len(pixels)):
                    amx.instruct(b, "tdpbusd", _tile((r, c)), 4 + r, 6 + c)
        for cell, place in places.items():
            amx.instruct(b, "tilestored64", _tile(cell), place, 4 * _BLOCK * edge)
        to = y + row * s.y.row
        together = max(n for n in range(1, _SCALED + 1) if count % n == 0)
        for c in range(columns):
            at = channel + c * edge
            start = start_of(b, (words, bias), at, edge, s)
            scaler = Scaler(b, s.scaling, factors, at, edge)
            for r, j in enumerate(pixels):
                with b.loop(count, step=together) as p:
                    here = places[r, c] + p * (_BLOCK * edge)
                    rows = range(together)
                    found = [here.vector(n * _BLOCK * edge) + start for n in rows]
                    for n, codes in enumerate(scaler(found)):
                        place = to + (j + p + n) * out + at
                        place.store(b.resize(codes, "i8"))

    def row_of(row: Value, pixels: list[Value]) -> None:
        for c, columns, times in runs(split(out // edge, _BLOCK)):
            with b.loop(times) as at:
                block(row, pixels, (at * columns + c) * edge, columns)

    def begin(tile: Value) -> Value:
        return b.smaller(tile * count, spec.width - count)

    # sums, pixels' codes and weights
    heights = (count,) * 6 + (spec.depth,) * 2
    widths = (64,) * 4 + (WORD * spec.depth,) * 2 + (64,) * 2
    with amx.tiles(b, heights, widths), b.loop(last, start=first) as unit:
        if spec.is_joined:
            tiles = range(min(_BLOCK, spec.tiles))
            row_of(b.i64(0), [begin(unit * _BLOCK + n) for n in tiles])
            return
        for t, tiles_, times in runs(split(spec.tiles, _BLOCK)):
            with b.loop(times) as at:
                row_of(unit, [begin(at * tiles_ + (t + n)) for n in range(tiles_)])


def _tile(cell: tuple[int, int]) -> int:
    """Return the number of the tile of a block's sums."""
    return cell[0] * _BLOCK + cell[1]
