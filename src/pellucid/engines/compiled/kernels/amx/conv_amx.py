"""Convolution on AMX tiles, for every kernel size, stride and dilation.

The image is cut into parts once, a plane for each remainder of rows and columns by the
stride. In a plane the pixels that a tap of the window sees lie side by side: a tile's
rows are pixels one after the other, over the ends of the plane's rows, and the next tap
only begins further on. What is computed over an end is not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
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

#: pixels and outputs that go together: two tiles each way
PIXELS, OUTPUTS = 2 * amx.EDGE, 2 * amx.EDGE
#: fewest channels on either side, and the least share of computed pixels that is kept
LEAST_CHANNELS, LEAST_SHARE = 64, 0.6
#: fewest pixels: with less, reading the weights' parts takes longer than the sums
LEAST_PIXELS = 96
#: bytes of the image's parts that stay in the second cache
CACHED = 3 << 19

_TILE = amx.PARTS * amx.WORDS  # 32-bit words
_LINES = OUTPUTS // amx.EDGE * _TILE // 16  # cache lines of weights for one step


@dataclass(frozen=True, slots=True)
class ConvAmx:
    """A convolution without groups whose channels fill tiles."""

    conv: Conv

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
        return self.conv.x.channels // amx.DEPTH

    @property
    def steps(self) -> int:
        """Tiles that a sum goes over."""
        return prod(self.conv.kernel) * self.channel_steps

    @property
    def blocks(self) -> tuple[int, int]:
        """How many times outputs go together, and how many times pixels."""
        columns = self.conv.y.padded_channels // OUTPUTS
        return columns, -(-self.pixels // PIXELS)

    @property
    def parts(self) -> int:
        """How many units of work the products are."""
        return prod(self.blocks)

    @property
    def left_size(self) -> int:
        """Words of the image's parts."""
        halves = len(self.planes) * self.channel_steps * self.plane * amx.DEPTH
        return amx.PARTS * halves // 2


def conv_amx_fits(conv: Conv) -> bool:
    """Return whether a convolution fills tiles, and is large enough to gain."""
    x, y = conv.x, conv.y
    is_whole = x.channels == x.padded_channels and x.channels % amx.DEPTH == 0
    is_whole = is_whole and y.padded_channels % OUTPUTS == 0
    if conv.groups != 1 or not is_whole:
        return False
    spec = ConvAmx(conv)
    computed = padded(spec.pixels, amx.EDGE)
    is_full = y.height * y.width >= LEAST_SHARE * computed
    is_large = min(x.channels, y.channels) >= LEAST_CHANNELS
    is_large = is_large and y.height * y.width >= LEAST_PIXELS
    return is_large and is_full and 4 * spec.left_size <= CACHED


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
        to = left + number * (spec.channel_steps * amx.PARTS * size)
        with b.loop(b.smaller(last, height), start=first) as r, b.loop(width) as c:
            pixel = source + (r * (down * m.row) + c * (across * m.padded_channels))
            place = to + (r * spec.width + c) * amx.DEPTH
            with b.loop(spec.channel_steps) as step:
                at = pixel + step * amx.DEPTH
                cut = amx.in_row(b, at.vector(0), at.vector(amx.EDGE))
                for n, halves in enumerate(cut):
                    place.store(halves, step * (amx.PARTS * size) + n * size)


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

    ``cut`` are `conv_amx_cut`'s numbers, ``right`` `pointwise_amx_weight`'s words, and
    ``sums`` has room for a block. Blocks of one panel of outputs follow each other, and
    ask for the panel that comes next.
    """
    conv, steps, (panels, groups) = spec.conv, spec.steps, spec.blocks
    first, last = part or (b.i64(0), b.i64(spec.parts))
    size = spec.plane * amx.DEPTH
    left, words = cut.cast("i16"), right.cast("i32")
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    y = y + conv.y.at(0, 0)
    product = amx.Product(
        rows=PIXELS // amx.EDGE,
        columns=OUTPUTS // amx.EDGE,
        left_row=amx.DEPTH,
        left_part=size,
        left_step=amx.PARTS * size,
        left_block=amx.EDGE * amx.DEPTH,
        right_step=_TILE,
        right_column=steps * _TILE,
        sums_row=OUTPUTS,
    )

    def left_at(step: Value) -> Value:
        """Return where the tile of a tap and some channels lies."""
        tap, channels = step // spec.channel_steps, step % spec.channel_steps
        place = channels * (amx.PARTS * size)
        rows, columns = tap // conv.kernel[1], tap % conv.kernel[1]
        down, across = rows * conv.dilation[0], columns * conv.dilation[1]
        sy, sx = conv.stride
        i, j = down // sy, across // sx
        place = place + (i * spec.width + j) * amx.DEPTH
        if len(spec.planes) == 1:
            return place
        # planes go by the remainders that taps have, which are all of them or some
        number = _number(b, spec, (down % sy, across % sx))
        return place + number * (spec.channel_steps * amx.PARTS * size)

    lines = -(-_LINES // groups)
    with amx.tiles(b), b.loop(last, start=first) as block:
        panel, group = block // groups, block % groups
        begin = group * PIXELS
        here = words + panel * (2 * product.right_column)
        following = right + (panel + 1) * (2 * product.right_column)
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
        count = b.smaller(b.i64(spec.pixels) - begin, PIXELS)
        o = panel * OUTPUTS

        def is_kept(r: Value, begin: Value = begin) -> Value:
            return (begin + r) % spec.width < conv.y.width

        is_good, is_bad = are_finite(b, sums, count, OUTPUTS, is_kept)
        with b.when(is_bad):
            which, plain = (begin, count, o, o + OUTPUTS), Plain(conv, spec.width)
            b.call(conv_plain, x, w, bias, y, *which, spec=plain)
        with b.when(is_good), b.loop(count) as r:
            i, j = (begin + r) // spec.width, (begin + r) % spec.width
            with b.when(is_kept(r)):
                to = y + (i * conv.y.row + j * conv.y.padded_channels + o)
                row = sums + r * OUTPUTS
                for v in range(0, OUTPUTS, amx.EDGE):
                    finish(b, conv, row.vector(v), bias + (o + v), to + v)


def _number(b: Builder, spec: ConvAmx, rest: tuple[Value, Value]) -> Value:
    """Return the number of the plane with these remainders."""
    numbers = []
    for axis, value in enumerate(rest):
        kept = spec.remainders(axis)
        number = b.i64(0)
        for n, remainder in enumerate(kept):
            number = b.select(value < remainder, number, n)
        numbers.append(number)
    return numbers[0] * len(spec.remainders(1)) + numbers[1]
