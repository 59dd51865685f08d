"""1×1 convolution on AMX tiles, pixels of several images joined.

A pixel is a row of a matrix product. Some hundred of them, over the ends of images,
are cut into parts that stay in the second cache, so that the parts of large weights are
read from memory once for all of them. 32 pixels and 32 outputs are made at a time;
where one of these sums is not finite, they are made again by vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.amx.not_finite import (
    Plain,
    are_finite,
    conv_plain,
    finish,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv

#: rows and columns of a block of sums: two tiles each way
BLOCK = 2 * amx.EDGE
#: bytes of the pixels' parts that stay in the second cache, and most pixels
CACHED, MOST = 3 << 18, 256
#: fewest channels on either side for which it pays to cut numbers
LEAST_CHANNELS = 64

_TILE = amx.PARTS * amx.WORDS  # 32-bit words
_LINES = BLOCK // amx.EDGE * _TILE // 16  # cache lines of weights for one step


@dataclass(frozen=True, slots=True)
class Pixels:
    """A 1×1 convolution of images that lie ``x_next`` and ``y_next`` elements apart."""

    conv: Conv
    x_next: int
    y_next: int

    @property
    def area(self) -> int:
        """Pixels of one image."""
        return self.conv.y.height * self.conv.y.width

    @property
    def steps(self) -> int:
        """Tiles that the channels of a pixel take."""
        return self.conv.x.channels // amx.DEPTH

    @property
    def pixels(self) -> int:
        """Pixels that are cut together."""
        most = CACHED // (2 * amx.PARTS * self.conv.x.channels)
        return max(1, min(most, MOST) // BLOCK) * BLOCK

    def at(self, pixel: Value) -> tuple[Value, Value]:
        """Return where a pixel of all images lies in x and in y."""
        conv, (down, across) = self.conv, self.conv.stride
        image, rest = pixel // self.area, pixel % self.area
        i, j = rest // conv.y.width, rest % conv.y.width
        x = i * (down * conv.x.row) + j * (across * conv.x.padded_channels)
        y = i * conv.y.row + j * conv.y.padded_channels
        return image * self.x_next + x, image * self.y_next + y


def pixels_fit(conv: Conv) -> bool:
    """Return whether a convolution fills tiles, and is large enough to gain."""
    x, y = conv.x, conv.y
    is_pointwise = conv.kernel == (1, 1) and conv.groups == 1
    is_whole = x.channels == x.padded_channels and x.channels % BLOCK == 0
    is_whole = is_whole and y.padded_channels % BLOCK == 0
    is_large = min(x.channels, y.channels) >= LEAST_CHANNELS
    return is_pointwise and is_whole and is_large


def pixels_scratch_size(spec: Pixels) -> int:
    """Return how many elements of scratch a worker needs."""
    return spec.pixels // amx.EDGE * spec.steps * _TILE + BLOCK * BLOCK


@kernel(
    x="f32*",
    right="f32*",
    w="f32*",
    bias="f32*",
    y="f32*",
    scratch="f32*",
    images="n",
)
def pixels_amx(
    b: Builder,
    x: Pointer,
    right: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: Pixels,
) -> None:
    """y[p, o] = f(bias[o] + Σ x[p, c] · w[c, o]) for the pixels p of all images.

    ``right`` are `conv_amx_weight`'s words.
    """
    conv, steps, together = spec.conv, spec.steps, spec.pixels
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    y = y + conv.y.at(0, 0)
    total, words, left = images * spec.area, right.cast("i32"), scratch.cast("i16")
    sums = scratch + together // amx.EDGE * steps * _TILE
    product = amx.Product(
        rows=2,
        columns=2,
        left_row=amx.DEPTH,
        left_part=amx.EDGE * amx.DEPTH,
        left_step=2 * _TILE,
        left_block=2 * steps * _TILE,
        right_step=_TILE,
        right_column=steps * _TILE,
        sums_row=BLOCK,
    )
    lines = -(-_LINES * BLOCK // together)
    with amx.tiles(b), b.loop(total, step=together) as begin:
        count = b.smaller(total - begin, together)
        with b.loop(count) as r:
            row = x + spec.at(begin + r)[0]
            to = left + (r // amx.EDGE * (2 * steps * _TILE) + r % amx.EDGE * amx.DEPTH)
            with b.loop(steps) as step:
                at, place = row + step * amx.DEPTH, to + step * (2 * _TILE)
                cut = amx.in_row(b, at.vector(0), at.vector(amx.EDGE))
                for number, halves in enumerate(cut):
                    place.store(halves, number * (amx.EDGE * amx.DEPTH))
        with (
            b.loop(conv.y.padded_channels // BLOCK) as j,
            b.loop((count + (BLOCK - 1)) // BLOCK) as i,
        ):
            following = right + (j + 1) * (2 * product.right_column)
            amx.multiply(
                b,
                left + i * (2 * product.left_block),
                words + j * (2 * product.right_column),
                sums,
                steps,
                product,
                amx.Ahead((following + i * (steps * lines * 16),), lines),
            )
            first, o = begin + i * BLOCK, j * BLOCK
            rows = b.smaller(count - i * BLOCK, BLOCK)
            is_good, is_bad = are_finite(b, sums, rows, BLOCK)
            with b.when(is_bad), b.loop(rows) as r:
                image, pixel = (first + r) // spec.area, (first + r) % spec.area
                places = x + image * spec.x_next, w, bias, y + image * spec.y_next
                which = pixel, b.i64(1), o, o + BLOCK
                b.call(conv_plain, *places, *which, spec=Plain(conv, conv.y.width))
            with b.when(is_good), b.loop(rows) as r:
                row, to = sums + r * BLOCK, y + spec.at(first + r)[1] + o
                for v in range(0, BLOCK, amx.EDGE):
                    finish(b, conv, row.vector(v), bias + (o + v), to + v)
