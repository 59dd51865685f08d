"""Gradient of a 1×1 convolution's weights on AMX tiles.

It is a product over pixels: x, transposed, is the left operand, grad_y the right one.
Some hundred pixels, over the ends of images, are cut into parts that stay in the second
cache. 32 × 32 weights are summed over them at a time and added to their gradient; where
one of these sums is not finite, they are made again by vectors.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.amx.not_finite import are_finite
from pellucid.engines.compiled.kernels.amx.pixels_amx import BLOCK, Pixels
from pellucid.engines.compiled.kernels.transpose import square

#: bytes of both operands' parts that stay in the second cache
CACHED = 3 << 19
#: pixels that are summed over together, at least and at most
LEAST, MOST = 64, 256
_TILE = amx.PARTS * amx.WORDS  # 32-bit words


def pixels_together(spec: Pixels) -> int:
    """Return how many pixels are cut together."""
    channels = spec.conv.x.padded_channels + spec.conv.y.padded_channels
    most = CACHED // (2 * amx.PARTS * channels)
    return min(max(most, LEAST), MOST) // amx.DEPTH * amx.DEPTH


def pixels_grad_scratch_size(spec: Pixels) -> int:
    """Return how many elements of scratch a worker needs."""
    channels = spec.conv.x.padded_channels + spec.conv.y.padded_channels
    tiles = channels // amx.EDGE * (pixels_together(spec) // amx.DEPTH)
    return (tiles + 1) * _TILE + BLOCK * BLOCK


@kernel(x="f32*", grad_y="f32*", grad_weight="f32*", scratch="f32*", images="n")
def pixels_amx_grad(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad_weight: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: Pixels,
) -> None:
    """grad_weight[c, o] += Σ x[p, c] · grad_y[p, o] over the pixels p of all images."""
    conv, together = spec.conv, pixels_together(spec)
    channels, out = conv.x.padded_channels, conv.y.padded_channels
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    grad_y, total = grad_y + conv.y.at(0, 0), images * spec.area
    deep = together // amx.DEPTH
    left = scratch.cast("i32")
    right = left + channels // amx.EDGE * deep * _TILE
    words = right + out // amx.EDGE * deep * _TILE
    sums = scratch + (channels + out) // amx.EDGE * deep * _TILE + _TILE
    product = amx.Product(
        rows=2,
        columns=2,
        left_row=amx.DEPTH,
        left_part=amx.EDGE * amx.DEPTH,
        left_step=2 * _TILE,
        left_block=2 * deep * _TILE,
        right_step=_TILE,
        right_column=deep * _TILE,
        sums_row=BLOCK,
    )
    with amx.tiles(b), b.loop(total, step=together) as begin:
        count = b.smaller(total - begin, together)
        steps = (count + (amx.DEPTH - 1)) // amx.DEPTH
        with b.loop(steps) as step:
            first = begin + step * amx.DEPTH
            here = first, b.smaller(total - first, amx.DEPTH)
            with b.loop(out // amx.EDGE) as column:
                to = right + (column * deep + step) * _TILE
                _cut_pairs(b, grad_y + column * amx.EDGE, to, here, spec, of_y=True)
            with b.loop(channels // amx.EDGE) as row:
                _cut_pairs(b, x + row * amx.EDGE, words, here, spec, of_y=False)
                to = left + (row * deep + step) * _TILE
                for part in range(0, _TILE, amx.WORDS):
                    lines = [words.vector(part + r * amx.EDGE) for r in range(amx.EDGE)]
                    for n, line in enumerate(square(b, lines)):
                        to.store(line, part + n * amx.EDGE)
        with b.loop(channels // BLOCK) as i, b.loop(out // BLOCK) as j:
            amx.multiply(
                b,
                left.cast("i16") + i * (2 * product.left_block),
                right + j * (2 * product.right_column),
                sums,
                steps,
                product,
            )
            to = grad_weight + (i * (BLOCK * out) + j * BLOCK)
            is_good, is_bad = are_finite(b, sums, BLOCK, BLOCK)
            with b.when(is_bad):
                at = x + i * BLOCK, grad_y + j * BLOCK, to
                _add_plain(b, at, (begin, count), spec)
            with b.when(is_good), b.loop(BLOCK) as r:
                for v in range(0, BLOCK, amx.EDGE):
                    old = to.vector(r * out + v)
                    to.store(old + sums.vector(r * BLOCK + v), r * out + v)


def _cut_pairs(
    b: Builder,
    channels: Pointer,
    to: Pointer,
    pixels: tuple[Value, Value],
    spec: Pixels,
    *,
    of_y: bool,
) -> None:
    """to[part][pair of pixels] = the parts of 16 channels of both; zeros behind them.

    ``pixels`` are the first one and how many there are, at most 32.
    """
    first, count = pixels

    def at(pixel: Value) -> Value:
        return (channels + spec.at(first + pixel)[of_y]).vector()

    def put(pair: Value, even: Value, odd: Value) -> None:
        for part, cut in enumerate(amx.paired(b, even, odd)):
            (to + pair * amx.EDGE).store(cut, part * amx.WORDS)

    with b.loop(count // 2) as pair:
        put(pair, at(pair * 2), at(pair * 2 + 1))
    with b.when((count % 2).equals(1)):
        put(count // 2, at(count - 1), b.zeros())
    with b.loop(amx.EDGE, start=(count + 1) // 2) as pair:
        put(pair, b.zeros(), b.zeros())


def _add_plain(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    pixels: tuple[Value, Value],
    spec: Pixels,
) -> None:
    """Add the products over some pixels to 32 × 32 weights' gradient, by vectors."""
    (x, grad_y, to), (first, count) = places, pixels
    out = spec.conv.y.padded_channels
    with b.loop(BLOCK) as c, b.loop(BLOCK, step=b.lanes) as o:
        total = b.var((to + c * out).vector(o))
        with b.loop(count) as r:
            here, there = spec.at(first + r)
            grad = (grad_y + there).vector(o)
            total.set(b.fma((x + here).splat(c), grad, total.get()))
        (to + c * out).store(total.get(), o)
