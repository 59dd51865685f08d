"""Direct convolution with packed weights, for every kernel size and stride.

Weights are packed once, [panel][kernel_h][kernel_w][input][outputs of the panel]: a
register tile reads one run of memory from its first multiply-add to its last, and asks
for the panel that follows while it computes. Where rows are short a tile goes over
their ends, each pixel at an offset known when the code is written, and over the ends of
images where several small ones go together.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    Var,
    kernel,
    sized,
    written_out,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise.activation import apply
from pellucid.engines.compiled.kernels.layout import NO_HALO
from pellucid.engines.compiled.kernels.tile import Part, part_runs, runs, split

#: columns below which tiles go over the ends of rows, and pixels for which they may
SHORT, MOST_PIXELS = 9, 64
#: most vectors of outputs in a tile, and most of its pixels
VECTORS, PIXELS = 4, 28
#: multiply-adds that are written out one after the other, at most
MOST_TERMS = 32
#: floats of a cache line
LINE = 16
#: what a tile costs for its outputs and to begin, in cycles
_STORE, _BEGIN = 6, 24


@dataclass(frozen=True, slots=True)
class Packed:
    """A convolution without groups, by packed weights.

    Attributes
    ----------
    conv : Conv
    lanes, registers : int
        The processor's; they decide how weights are packed.
    images : int
        Images that go together, ``x_next`` and ``y_next`` elements apart.
    by_panel : bool
        Whether a part is some panels of outputs, each for all pixels; else it is some
        rows, or tiles where rows are one.
    """

    conv: Conv
    lanes: int
    registers: int
    images: int = 1
    x_next: int = 0
    y_next: int = 0
    by_panel: bool = False

    @property
    def is_flat(self) -> bool:
        """Whether the rows of an image are one."""
        c = self.conv
        is_pointwise = c.kernel == c.stride == (1, 1)
        is_plain = c.x.halo == c.y.halo == NO_HALO
        return is_pointwise and is_plain and not self.is_short

    @property
    def is_short(self) -> bool:
        """Whether tiles go over the ends of rows."""
        y = self.conv.y
        is_small = y.width < SHORT and y.height * y.width <= MOST_PIXELS
        return self.images > 1 or is_small

    @property
    def columns(self) -> int:
        """Pixels that tiles are cut from."""
        y = self.conv.y
        if self.is_flat or self.is_short:
            return y.height * y.width * self.images
        return y.width

    @property
    def panels(self) -> list[tuple[int, int]]:
        """Vectors of outputs of each panel: (first, how many)."""
        return split(self.conv.y.padded_channels // self.lanes, self.tile[1])

    @property
    def parts(self) -> int:
        """How many units of work there are."""
        if self.by_panel or self.is_short:
            return len(self.panels)
        if self.is_flat:
            return len(split(self.columns, self.tile[0]))
        return self.conv.y.height

    @property
    def depth(self) -> int:
        """Numbers that an output is the sum of."""
        return prod(self.conv.kernel) * self.conv.x.channels

    @property
    def tile(self) -> tuple[int, int]:
        """Pixels and vectors of the tile that takes the least time."""
        vectors = self.conv.y.padded_channels // self.lanes
        return best_tile(self.depth, self.columns, vectors, self.registers)


@functools.cache
def best_tile(
    depth: int, columns: int, vectors: int, registers: int
) -> tuple[int, int]:
    """Return (pixels, vectors) of the tile for so many terms, pixels and vectors.

    A step takes P · V / 2 cycles of multiply-adds or (P + V) / 2 of loads; fewer than
    ten sums do not hide their latency. LLVM loads ahead: with all registers taken it
    would spill.
    """
    room = registers - (3 if registers > 16 else 1)

    def cost(shape: tuple[int, int]) -> float:
        total = 0.0
        for _, w, many in runs(split(vectors, shape[1])):
            for _, n, times in runs(split(columns, shape[0])):
                step = depth * max(n * w, n + w, 8) / 2
                total += many * times * (step + _STORE * n * w + _BEGIN)
        return total

    shapes = [
        (p, v)
        for v in range(1, min(vectors, VECTORS) + 1)
        for p in range(1, min(PIXELS, columns) + 1)
        if p * v + v + 1 <= room
    ]
    return min(shapes, key=cost)


def packed_fits(conv: Conv, lanes: int) -> bool:
    """Return whether the kernel computes a convolution."""
    return conv.groups == 1 and conv.y.padded_channels % lanes == 0


def packed_size(spec: Packed) -> int:
    """Return how many elements the packed weights have, and what is asked for more."""
    return spec.depth * spec.conv.y.padded_channels


@dataclass(frozen=True, slots=True)
class PackForm:
    """Weights [tap][row][out] and their panels: so many wide ones, then narrow ones."""

    taps: Number
    channels: Number
    rows: Number
    out: Number
    wide: Number
    narrow: Number
    widths: tuple[int, int]
    lanes: int


def _pack_form(b: Builder, spec: Packed) -> PackForm:
    del b
    conv, cuts = spec.conv, runs(spec.panels)
    (_, width, many), (_, less, few) = (*cuts, (0, 0, 0))[:2]
    return PackForm(
        taps=prod(conv.kernel),
        channels=conv.x.channels,
        rows=conv.rows,
        out=conv.y.padded_channels,
        wide=many,
        narrow=few,
        widths=(width, less),
        lanes=spec.lanes,
    )


@sized(_pack_form)
@written_out
@kernel(w="f32*", packed="f32*")
def conv_pack(b: Builder, w: Pointer, packed: Pointer, *, spec: PackForm) -> None:
    """packed[panel][u, v, c][o] = w[u, v, c, panel's o]."""
    lanes, depth = spec.lanes, b.i64(spec.taps) * spec.channels
    with b.loop(spec.taps) as tap, b.loop(spec.channels) as c:
        source = w + (tap * spec.rows + c) * spec.out
        row, first = tap * spec.channels + c, b.i64(0)
        for width, many in zip(spec.widths, (spec.wide, spec.narrow), strict=True):
            with b.loop(many) as panel:
                o = (panel * width + first) * lanes
                to = packed + (o * depth + row * (width * lanes))
                for v in range(width):
                    to.store(source.vector(o + v * lanes, lanes=lanes), v * lanes)
            first = b.i64(many) * width


@written_out
@kernel(x="f32*", packed="f32*", bias="f32*", y="f32*")
def conv_packed(
    b: Builder,
    x: Pointer,
    packed: Pointer,
    bias: Pointer,
    y: Pointer,
    *,
    spec: Packed,
    part: Part | None = None,
) -> None:
    """y[i, j, o] = f(bias[o] + Σ x[i·s + u·d − top, j·s + v·d − left, c] · w[…, o])."""
    conv = spec.conv
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    y = y + conv.y.at(0, 0)
    by_panel, pool = spec.by_panel or spec.is_short, list[Var]()
    for first, width in part_runs(b, spec.panels, part if by_panel else None):
        o = first * spec.lanes
        places = (x, packed + o * spec.depth, bias + o, y + o)
        _panel(b, places, spec, width, None if by_panel else part, pool)


@written_out
@kernel(x="f32*", packed="f32*", bias="f32*", y="f32*", images="n")
def conv_packed_joined(
    b: Builder,
    x: Pointer,
    packed: Pointer,
    bias: Pointer,
    y: Pointer,
    images: Value,
    *,
    spec: Packed,
) -> None:
    """`conv_packed` of some images; ``spec.images`` go together, then fewer."""
    conv = spec.conv
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    y = y + conv.y.at(0, 0)
    done, count, pool = b.i64(0), spec.images, list[Var]()
    while count:
        many = (images - done) // count
        with b.loop(many) as n:
            image = done + n * count
            px, py = x + image * spec.x_next, y + image * spec.y_next
            for first, width in part_runs(b, spec.panels, None):
                o = first * spec.lanes
                places = (px, packed + o * spec.depth, bias + o, py + o)
                _short(b, places, spec, width, count, pool)
        done = done + many * count
        count = max(count // 4, 1) if count > 1 else 0


Places = tuple[Pointer, Pointer, Pointer, Pointer]


def _panel(
    b: Builder,
    places: Places,
    spec: Packed,
    width: int,
    part: Part | None,
    pool: list[Var],
) -> None:
    """Make all pixels of one panel of outputs, or those of a part.

    ``pool`` holds the variables of tiles, which are all the same.
    """
    x, packed, bias, y = places
    conv, pixels = spec.conv, spec.tile[0]
    if spec.is_short:
        _short(b, places, spec, width, 1, pool)
        return
    step = conv.stride[1] * conv.x.padded_channels
    if spec.is_flat:
        for at, length in part_runs(b, split(spec.columns, pixels), part):
            to = y + at * conv.y.padded_channels
            _tile(b, (x + at * step, packed, bias, to), spec, (length, width), pool)
        return
    first, last = part or (0, conv.y.height)
    with b.loop(last, start=first) as i:
        px, py = x + i * (conv.stride[0] * conv.x.row), y + i * conv.y.row
        for at, length in part_runs(b, split(spec.columns, pixels), None):
            to = py + at * conv.y.padded_channels
            _tile(b, (px + at * step, packed, bias, to), spec, (length, width), pool)


def _short(
    b: Builder,
    places: Places,
    spec: Packed,
    width: int,
    images: int,
    pool: list[Var],
) -> None:
    """Make all pixels of one panel, of some images, by tiles over the ends of rows."""
    conv = spec.conv
    m, y = conv.x, conv.y
    cuts = split(y.height * y.width * images, spec.tile[0])
    for turn, (first, length) in enumerate(cuts):
        inside, outside = [], []
        for pixel in range(first, first + length):
            image, rest = divmod(pixel, y.height * y.width)
            i, j = divmod(rest, y.width)
            across = j * conv.stride[1] * m.padded_channels
            inside.append(image * spec.x_next + i * conv.stride[0] * m.row + across)
            outside.append(image * spec.y_next + i * y.row + j * y.padded_channels)
        offsets = inside, outside
        shape, order = (length, width), (turn, len(cuts))
        _tile(b, places, spec, shape, pool, offsets, order)


def _tile(
    b: Builder,
    places: Places,
    spec: Packed,
    shape: tuple[int, int],
    pool: list[Var],
    offsets: tuple[Sequence[int], Sequence[int]] | None = None,
    turn: tuple[int, int] | None = None,
) -> None:
    """Make one tile; pixels lie at ``offsets``, or side by side.

    ``turn`` (n, of) says it is the n-th of so many tiles with these weights. Each asks
    for its share of the panel that follows, so that memory is never waited for at once.
    """
    (x, packed, bias, y), conv, (length, width) = places, spec.conv, shape
    step = conv.stride[1] * conv.x.padded_channels
    inside, outside = offsets or (
        [r * step for r in range(length)],
        [r * conv.y.padded_channels for r in range(length)],
    )
    lanes = spec.lanes
    start = [
        bias.vector(v * lanes, lanes=lanes) if conv.has_bias else b.zeros(lanes)
        for v in range(width)
    ]
    while len(pool) < length * width:
        pool.append(b.var(start[0]))
    sums = [pool[r * width : (r + 1) * width] for r in range(length)]
    for row in sums:
        for total, value in zip(row, start, strict=True):
            total.set(value)
    size = width * lanes
    ahead = spec.depth * size  # where the next panel begins

    def steps(px: Pointer, pw: Pointer, count: int) -> None:
        """Add ``count`` terms that lie side by side."""
        fitting = [u for u in (4, 3, 2) if count % u == 0]
        unroll = next((u for u in fitting if u * length * width <= MOST_TERMS), 1)
        place, tiles = turn or (0, 1)
        lines = -(-(unroll * size // LINE) // tiles) if turn else 0
        share = place * (count * size // tiles)
        with b.loop(count, step=unroll) as c:
            at, here = pw + c * size, px + c
            next_panel = pw + (ahead + share + c * size // tiles)
            for n in range(lines):
                b.prefetch(next_panel + n * LINE)
            for u in range(unroll):
                loaded = [
                    at.vector(u * size + v * lanes, lanes=lanes) for v in range(width)
                ]
                for r, row in enumerate(sums):
                    value = here.splat(inside[r] + u, lanes=lanes)
                    for v, total in enumerate(row):
                        total.set(b.fma(value, loaded[v], total.get()))

    m, channels, (kh, kw) = conv.x, conv.x.channels, conv.kernel
    is_run = conv.dilation[1] == 1 and channels == m.padded_channels
    with b.loop(kh) as i:
        px = x + i * (conv.dilation[0] * m.row)
        pw = packed + i * (kw * channels * size)
        if is_run or kw == 1:
            steps(px, pw, kw * channels)
        else:
            across = conv.dilation[1] * m.padded_channels
            with b.loop(kw) as j:
                steps(px + j * across, pw + j * (channels * size), channels)
    for r, row in enumerate(sums):
        for v, total in enumerate(row):
            value, at = total.get(), outside[r] + v * lanes
            if conv.accumulate:
                value = y.vector(at, lanes=lanes) + value
            y.store(apply(b, conv.function, value), at)
