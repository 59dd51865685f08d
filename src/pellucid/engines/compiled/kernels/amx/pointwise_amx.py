"""1×1 convolution on AMX tiles.

A pixel is a row of a matrix product. 64 of them go together: their numbers are cut into
parts, multiplied by all weights, which were cut before, and the sums get bias and
activation on their way to the output. An infinite number has no parts; pixels that meet
what is not finite are made again without AMX.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    Value,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx
from pellucid.engines.compiled.kernels.amx.not_finite import (
    Plain,
    are_finite,
    conv_plain,
    finish,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.tile import Part

#: pixels that go together, and how many of them fill the tiles of one product
PIXELS, ROWS = 64, 32
#: fewest channels on either side, and pixels, for which it pays to cut numbers
LEAST_CHANNELS, LEAST_PIXELS = 64, 64
#: bytes of the weights' parts that stay in the second cache
CACHED = 2 << 20


def pointwise_amx_fits(spec: ConvAmx) -> bool:
    """Return whether a convolution fills tiles, and is large enough to gain."""
    conv = spec.conv
    x, y = conv.x, conv.y
    is_pointwise = conv.kernel == (1, 1) and conv.groups == 1
    is_whole = x.channels == x.padded_channels and x.channels % amx.DEPTH == 0
    is_whole = is_whole and y.padded_channels % amx.DEPTH == 0
    is_large = min(x.channels, y.channels) >= LEAST_CHANNELS
    is_large = is_large and y.height * y.width >= LEAST_PIXELS
    is_cached = 4 * spec.right_size <= CACHED
    return is_pointwise and is_whole and is_large and is_cached


def pointwise_scratch_size(spec: ConvAmx) -> int:
    """Return how many elements of scratch a worker needs."""
    return _left_size(spec) + PIXELS * spec.conv.y.padded_channels


def _left_size(spec: ConvAmx) -> int:
    return PIXELS // amx.EDGE * spec.steps * spec.tile


def blocks(conv: Conv) -> int:
    """Return how many times pixels go together."""
    return -(-conv.y.height * conv.y.width // PIXELS)


@written_out
@kernel(x="f32*", right="f32*", w="f32*", bias="f32*", y="f32*", scratch="f32*")
def pointwise_amx(
    b: Builder,
    x: Pointer,
    right: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    scratch: Pointer,
    *,
    spec: ConvAmx,
    part: Part | None = None,
) -> None:
    """y[i, j, o] = f(bias[o] + Σ x[i·s, j·s, c] · w[c, o]); a part is some `blocks`."""
    conv, tile, steps = spec.conv, spec.tile, spec.steps
    pixels, n, halves = conv.y.height * conv.y.width, conv.y.padded_channels, 2 * tile
    first, last = part or (b.i64(0), b.i64(blocks(conv)))
    left, sums = scratch.cast("i16"), scratch + _left_size(spec)
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    y = y + conv.y.at(0, 0)
    product = amx.Product(
        rows=ROWS // amx.EDGE,
        columns=2,
        left_row=amx.DEPTH,
        left_part=amx.EDGE * amx.DEPTH,
        left_step=halves,
        left_block=steps * halves,
        right_step=tile,
        right_column=steps * tile,
        sums_row=n,
        parts=spec.cuts,
    )
    with amx.tiles(b), b.loop(last, start=first) as block:
        begin = block * PIXELS
        count = b.smaller(b.i64(pixels) - begin, PIXELS)
        with b.loop(count) as r:
            row = x + _at(conv, begin + r, is_input=True)
            to = left + (r // amx.EDGE * (steps * halves) + r % amx.EDGE * amx.DEPTH)
            with b.loop(steps) as step:
                at, place = row + step * amx.DEPTH, to + step * halves
                cut = amx.in_row(b, at.vector(0), at.vector(amx.EDGE), count=spec.cuts)
                for number, part_ in enumerate(cut):
                    place.store(part_, number * (amx.EDGE * amx.DEPTH))
        words = right.cast("i32")
        with (
            b.loop(n // amx.DEPTH) as j,  # two columns of tiles, read once for all rows
            b.loop((count + (ROWS - 1)) // ROWS) as i,
        ):
            amx.multiply(
                b,
                left + i * (2 * product.left_block),
                words + j * (2 * product.right_column),
                sums + (i * (ROWS * n) + j * amx.DEPTH),
                steps,
                product,
            )
        is_good = b.i64(0) < count
        if spec.cuts > 1:
            is_good, is_bad = are_finite(b, sums, count, n)
            with b.when(is_bad):
                plain = Plain(conv, conv.y.width)
                outputs = b.i64(0), b.i64(n)
                b.call(conv_plain, x, w, bias, y, begin, count, *outputs, spec=plain)
        with b.when(is_good), b.loop(count) as r:
            row, to = sums + r * n, y + _at(conv, begin + r, is_input=False)
            with b.loop(n, step=amx.EDGE) as o:
                finish(b, conv, row.vector(o), bias + o, to + o)


def _at(conv: Conv, pixel: Value, *, is_input: bool) -> Value:
    """Return where a pixel of y lies, or of x that it sees."""
    i, j = pixel // conv.y.width, pixel % conv.y.width
    if not is_input:
        return i * conv.y.row + j * conv.y.padded_channels
    (down, across), m = conv.stride, conv.x
    return i * (down * m.row) + j * (across * m.padded_channels)
