"""Convolution on AMX tiles, for every kernel size, stride and dilation.

The image is cut into parts once, a plane for each remainder of rows and columns by the
stride. In a plane the pixels that a tap of the window sees lie side by side: a tile's
rows are pixels one after the other, over the ends of the plane's rows, and the next tap
only begins further on. What is computed over an end is not stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

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
from pellucid.engines.compiled.kernels.amx.not_finite import (
    Plain,
    are_finite,
    conv_plain,
    finish,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.tile import Part

#: most tiles of sums that go together
TILES = 4
#: fewest channels on either side, and the least share of computed pixels that is kept
LEAST_CHANNELS, LEAST_SHARE = 64, 0.6
#: fewest pixels: with less, reading the weights' parts takes longer than the sums
LEAST_PIXELS = 96
#: bytes of the image's parts that stay in the second cache
CACHED = 3 << 19
#: the same for bfloat16, whose weights' parts are a third
LEAST_ROUNDED, LEAST_ROUNDED_PIXELS = 16, 9


@dataclass(frozen=True, slots=True)
class ConvAmx:
    """A convolution without groups whose channels fill tiles.

    ``cuts`` are the parts of each number: three are as exact as float32, one is
    bfloat16. ``is_mirrored``: the taps of its weights lie in reverse.
    """

    conv: Conv
    cuts: int = amx.PARTS
    is_mirrored: bool = False

    @property
    def tile(self) -> int:
        """32-bit words of a tile's parts."""
        return self.cuts * amx.WORDS

    @property
    def block(self) -> tuple[int, int]:
        """Tiles of pixels and of outputs that go together."""
        rows = 1 if self.pixels <= amx.EDGE else 2
        outputs = self.conv.y.padded_channels // amx.EDGE
        return rows, next(
            n for n in (4, 2, 1) if n * rows <= TILES and outputs % n == 0
        )

    @property
    def sums_size(self) -> int:
        """Numbers of a block of sums."""
        return prod(self.block) * amx.EDGE * amx.EDGE

    @property
    def right_size(self) -> int:
        """Words that the parts of the weights take."""
        return self.steps * (self.conv.y.padded_channels // amx.EDGE) * self.tile

    @property
    def planes(self) -> list[tuple[int, int]]:
        """Remainders (row, column) by the stride that taps have."""
        return [(i, j) for i in self.remainders(0) for j in self.remainders(1)]

    def remainders(self, axis: int) -> list[int]:
        """Remainders by the stride of rows (axis 0) or columns that taps have."""
        c = self.conv
        taps = range(c.kernel[axis])
        return sorted({u * c.dilation[axis] % c.stride[axis] for u in taps})

    def _reach(self, axis: int) -> int:
        """Rows or columns of a plane beyond those of y."""
        c = self.conv
        return (c.kernel[axis] - 1) * c.dilation[axis] // c.stride[axis]

    def extent(self, plane: tuple[int, int]) -> tuple[int, int]:
        """Return how many rows and columns of a plane are read."""
        c = self.conv
        most = [
            max(u * d // s for u in range(k) if u * d % s == rest)
            for k, d, s, rest in zip(c.kernel, c.dilation, c.stride, plane, strict=True)
        ]
        return c.y.height + most[0], c.y.width + most[1]

    @property
    def rows(self) -> int:
        """Rows of a plane."""
        return self.conv.y.height + self._reach(0)

    @property
    def width(self) -> int:
        """Pixels of a plane's row."""
        return self.conv.y.width + self._reach(1)

    @property
    def pixels(self) -> int:
        """Pixels that are computed, those over the ends of rows included."""
        return (self.conv.y.height - 1) * self.width + self.conv.y.width

    @property
    def plane(self) -> int:
        """Pixels of a plane, and those behind it that the last tile reads."""
        reach = self._reach(0) * self.width + self._reach(1)
        return padded(self.pixels, amx.EDGE) + reach

    @property
    def channel_steps(self) -> int:
        """Tiles that the channels of a pixel take."""
        return -(-self.conv.x.padded_channels // amx.DEPTH)

    @property
    def steps(self) -> int:
        """Tiles that a sum goes over."""
        return prod(self.conv.kernel) * self.channel_steps

    @property
    def blocks(self) -> tuple[int, int]:
        """How many times outputs go together, and how many times pixels."""
        rows, columns = (n * amx.EDGE for n in self.block)
        return self.conv.y.padded_channels // columns, -(-self.pixels // rows)

    @property
    def parts(self) -> int:
        """How many units of work the products are."""
        return prod(self.blocks)

    def place_of(self, b: Builder, tap: Value) -> tuple[Value, Value]:
        """Return the number of the plane that a tap sees, and its first pixel there."""
        c = self.conv
        down = tap // c.kernel[1] * c.dilation[0]
        across = tap % c.kernel[1] * c.dilation[1]
        (sy, sx), numbers = c.stride, []
        pixel = down // sy * self.width + across // sx
        for axis, rest in enumerate((down % sy, across % sx)):
            kept = self.remainders(axis)  # all that taps have, or some
            number = b.i64(0)
            for n, remainder in enumerate(kept):
                number = b.select(rest < remainder, number, n)
            numbers.append(number)
        return numbers[0] * len(self.remainders(1)) + numbers[1], pixel

    @property
    def left_size(self) -> int:
        """Words of the image's parts."""
        halves = len(self.planes) * self.channel_steps * self.plane * amx.DEPTH
        return self.cuts * halves // 2


def conv_amx_fits(spec: ConvAmx) -> bool:
    """Return whether a convolution fills tiles, and is large enough to gain."""
    conv, outputs = spec.conv, spec.conv.y.height * spec.conv.y.width
    x, y = conv.x, conv.y
    if conv.groups != 1 or 4 * spec.left_size > CACHED:
        return False
    if spec.cuts == 1:
        is_whole = (x.padded_channels | y.padded_channels) % amx.EDGE == 0
        is_large = min(x.channels, y.channels) >= LEAST_ROUNDED
        return is_whole and is_large and outputs >= LEAST_ROUNDED_PIXELS
    is_whole = x.channels == x.padded_channels and x.channels % amx.DEPTH == 0
    is_whole = is_whole and y.padded_channels % amx.DEPTH == 0
    is_full = outputs >= LEAST_SHARE * padded(spec.pixels, amx.EDGE)
    is_large = min(x.channels, y.channels) >= LEAST_CHANNELS
    return is_whole and is_full and is_large and outputs >= LEAST_PIXELS


@dataclass(frozen=True, slots=True)
class WeightForm:
    """The weights of a `ConvAmx` for any size; ``are_whole``: rows fill tiles."""

    taps: Number
    deep: Number
    rows: Number
    outputs: Number
    are_whole: bool
    cuts: int
    is_mirrored: bool


def _weight_form(b: Builder, spec: ConvAmx) -> WeightForm:
    del b
    conv = spec.conv
    rows = conv.x.channels if spec.is_mirrored else conv.x.padded_channels
    return WeightForm(
        taps=prod(conv.kernel),
        deep=spec.channel_steps,
        rows=rows,
        outputs=conv.y.padded_channels,
        are_whole=rows % amx.DEPTH == 0,
        cuts=spec.cuts,
        is_mirrored=spec.is_mirrored,
    )


@sized(_weight_form)
@written_out
@kernel(w="f32*", right="f32*")
def conv_amx_weight(
    b: Builder, w: Pointer, right: Pointer, *, spec: WeightForm
) -> None:
    """right[column][tap][step][part] = the weights' parts, of 32 inputs two by two."""
    n, words = b.i64(spec.outputs), right.cast("i32")
    taps, deep, rows = b.i64(spec.taps), b.i64(spec.deep), b.i64(spec.rows)
    with b.loop(taps) as t, b.loop(deep) as step, b.loop(amx.EDGE) as pair:
        first = step * amx.DEPTH + pair * 2
        tap = taps - 1 - t if spec.is_mirrored else t
        from_, to = w + (tap * rows + first) * n, words + pair * amx.EDGE
        with b.loop(n // amx.EDGE) as o:
            row, both = from_ + o * amx.EDGE, []
            for i in range(2):
                if spec.are_whole:
                    both.append(row.vector(n * i))
                    continue
                value = b.var(b.zeros())  # no weights lie behind the last channel's
                with b.when(first + i < rows):
                    value.set(row.vector(n * i))
                both.append(value.get())
            place = to + ((o * taps + t) * deep + step) * (spec.cuts * amx.WORDS)
            for part, cut in enumerate(amx.paired(b, both[0], both[1], spec.cuts)):
                place.store(cut, part * amx.WORDS)


def channels_of(
    b: Builder, pixel: Pointer, spec: ConvAmx, put: Callable[[Value, list[Value]], None]
) -> None:
    """Call ``put`` with the number and the parts of each 32 channels of a pixel."""
    whole, rest = divmod(spec.conv.x.padded_channels, amx.DEPTH)
    with b.loop(whole) as step:
        at = pixel + step * amx.DEPTH
        both = at.vector(0), at.vector(amx.EDGE)
        put(step, amx.in_row(b, *both, count=spec.cuts))
    if rest:
        both = (pixel + whole * amx.DEPTH).vector(0), b.zeros()
        put(b.i64(whole), amx.in_row(b, *both, count=spec.cuts))


@kernel(x="f32*", scratch="f32*")
def conv_amx_cut(
    b: Builder, x: Pointer, scratch: Pointer, *, spec: ConvAmx, part: Part | None = None
) -> None:
    """left[plane][step][part][pixel] = parts of 32 channels; a part is some rows."""
    conv, m, left = spec.conv, spec.conv.x, scratch.cast("i16")
    first, last = part or (b.i64(0), b.i64(spec.rows))
    x = x + m.at(-conv.top_left[0], -conv.top_left[1])
    (down, across), size = conv.stride, spec.plane * amx.DEPTH
    for number, (i, j) in enumerate(spec.planes):
        height, width = spec.extent((i, j))
        source = x + (i * m.row + j * m.padded_channels)
        to = left + number * (spec.channel_steps * spec.cuts * size)
        with b.loop(b.smaller(last, height), start=first) as r, b.loop(width) as c:
            pixel = source + (r * (down * m.row) + c * (across * m.padded_channels))
            place = to + (r * spec.width + c) * amx.DEPTH

            def put(step: Value, cut: list[Value], place: Pointer = place) -> None:
                for n, halves in enumerate(cut):
                    place.store(halves, step * (spec.cuts * size) + n * size)

            channels_of(b, pixel, spec, put)


@kernel(
    cut="f32*",
    right="f32*",
    x="f32*",
    w="f32*",
    bias="f32*",
    y="f32*",
    sums="f32*",
)
def conv_amx(
    b: Builder,
    cut: Pointer,
    right: Pointer,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    sums: Pointer,
    *,
    spec: ConvAmx,
    part: Part | None = None,
) -> None:
    """y = f(bias + Σ x · w) from the image's parts; a part is some blocks of y.

    ``cut`` are `conv_amx_cut`'s numbers, ``right`` `conv_amx_weight`'s words, and
    ``sums`` has room for a block. Blocks of one panel of outputs follow each other, and
    ask for the panel that comes next.
    """
    conv, steps, (panels, groups) = spec.conv, spec.steps, spec.blocks
    first, last = part or (b.i64(0), b.i64(spec.parts))
    size, (rows, columns) = spec.plane * amx.DEPTH, spec.block
    count_of_pixels, outputs = rows * amx.EDGE, columns * amx.EDGE
    left, words = cut.cast("i16"), right.cast("i32")
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    y = y + conv.y.at(0, 0)
    product = amx.Product(
        rows=rows,
        columns=columns,
        left_row=amx.DEPTH,
        left_part=size,
        left_step=spec.cuts * size,
        left_block=amx.EDGE * amx.DEPTH,
        right_step=spec.tile,
        right_column=steps * spec.tile,
        sums_row=outputs,
        parts=spec.cuts,
    )

    def left_at(step: Value) -> Value:
        """Return where the tile of a tap and some channels lies."""
        tap, channels = step // spec.channel_steps, step % spec.channel_steps
        plane, pixel = spec.place_of(b, tap)
        of_plane = plane * spec.channel_steps + channels
        return of_plane * (spec.cuts * size) + pixel * amx.DEPTH

    lines = -(-columns * spec.tile // 16 // groups)
    with amx.tiles(b), b.loop(last, start=first) as block:
        panel, group = block // groups, block % groups
        begin = group * count_of_pixels
        here = words + panel * (columns * product.right_column)
        following = right + (panel + 1) * (columns * product.right_column)
        ahead = amx.Ahead((following + group * (steps * lines * 16),), lines)
        amx.multiply(
            b,
            left + begin * amx.DEPTH,
            here,
            sums,
            steps,
            product,
            ahead if panels > 1 else None,
            left_at,
        )
        count = b.smaller(b.i64(spec.pixels) - begin, count_of_pixels)
        o = panel * outputs

        def is_kept(r: Value, begin: Value = begin) -> Value:
            return (begin + r) % spec.width < conv.y.width

        is_good = b.i64(0) < count
        if spec.cuts > 1:
            is_good, is_bad = are_finite(b, sums, count, outputs, is_kept)
            with b.when(is_bad):
                which, plain = (begin, count, o, o + outputs), Plain(conv, spec.width)
                b.call(conv_plain, x, w, bias, y, *which, spec=plain)
        with b.when(is_good), b.loop(count) as r:
            i, j = (begin + r) // spec.width, (begin + r) % spec.width
            with b.when(is_kept(r)):
                to = y + (i * conv.y.row + j * conv.y.padded_channels + o)
                row = sums + r * outputs
                for v in range(0, outputs, amx.EDGE):
                    finish(b, conv, row.vector(v), bias + (o + v), to + v)
