"""Gradient of a convolution's weights on AMX tiles, images of small maps joined.

For each tap it is a product over pixels and images: x, transposed, is the left operand,
grad_y the right one. A tile sums over two neighbouring pixels of 16 images. Both are
cut into parts once for 32 images, and 32 × 32 weights of one tap are made at a time.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.amx.images_amx import (
    BLOCK,
    IMAGES,
    Images,
    inside,
)
from pellucid.engines.compiled.kernels.amx.not_finite import are_finite
from pellucid.engines.compiled.kernels.transpose import square

#: images of a tile, and neighbouring pixels
GROUP, PIXELS = amx.EDGE, amx.DEPTH // amx.EDGE
_GROUPS = IMAGES // GROUP
_TILE = amx.PARTS * amx.WORDS  # 32-bit words


def _width(spec: Images) -> int:
    """Columns of x that are cut, zeros on either side among them."""
    return PIXELS * _pairs(spec) + (spec.conv.kernel[1] - 1) // PIXELS * PIXELS + PIXELS


def _pairs(spec: Images) -> int:
    """Pairs of columns of grad_y."""
    return -(-spec.conv.y.width // PIXELS)


def _left_row(spec: Images) -> int:
    """Words of all parts of a row of pixels of 16 images and 16 channels."""
    return amx.PARTS * amx.EDGE * _width(spec) * GROUP // 2


def _left_size(spec: Images) -> int:
    conv = spec.conv
    rows = _GROUPS * conv.x.height * conv.x.padded_channels // amx.EDGE
    return rows * _left_row(spec)


def images_grad_scratch_size(spec: Images) -> int:
    """Return how many elements of scratch a worker needs."""
    conv = spec.conv
    tiles = _GROUPS * conv.y.height * _pairs(spec) * conv.y.padded_channels // amx.EDGE
    return _left_size(spec) + (tiles + 1) * _TILE + BLOCK * BLOCK


@kernel(x="f32*", grad_y="f32*", grad_weight="f32*", scratch="f32*", images="n")
def images_amx_grad(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad_weight: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: Images,
) -> None:
    """grad_weight[u, v, c, o] = Σ x[i + u − top, j + v − left, c] · grad_y[i, j, o].

    The sum goes over all images; it replaces what was there.
    """
    conv, m, g = spec.conv, spec.conv.x, spec.conv.y
    x, grad_y = x + m.at(0, 0), grad_y + g.at(0, 0)
    left = scratch.cast("i32")
    right = left + _left_size(spec)
    words = scratch + (images_grad_scratch_size(spec) - BLOCK * BLOCK - _TILE)
    with amx.tiles(b), b.loop(images, step=IMAGES) as begin:
        count = b.smaller(images - begin, IMAGES)
        groups = (count + (GROUP - 1)) // GROUP
        with b.loop(groups) as n:
            first = begin + n * GROUP
            here = b.smaller(images - first, GROUP)
            _cut_x(b, (x + first * spec.x_next, words.cast("i32"), left), n, here, spec)
            _cut_grad(b, grad_y + first * spec.y_next, right, n, here, spec)
        with (
            b.loop(m.padded_channels // BLOCK) as c,
            b.loop(g.padded_channels // BLOCK) as o,
            b.loop(conv.kernel[0]) as u,
            b.loop(conv.kernel[1]) as v,
        ):
            places = left, right, words + _TILE, grad_weight
            inputs = x + begin * spec.x_next, grad_y + begin * spec.y_next
            is_first = begin < 1
            _make_block(
                b, places, inputs, (c, o, u, v), (count, groups, is_first), spec
            )


def _cut_x(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    group: Value,
    images: Value,
    spec: Images,
) -> None:
    """left[16 channels][group][row][part][channel][column][image] = parts of x."""
    x, words, left = places
    m, before, width = spec.conv.x, spec.conv.top_left[1], _width(spec)
    size, half = _left_row(spec), GROUP // 2
    line = width * half  # words of a channel's row
    with (
        b.loop(m.padded_channels // amx.EDGE) as c,
        b.loop(m.height) as r,
        b.loop(width // PIXELS) as q,
    ):
        for p in range(PIXELS):
            column = q * PIXELS + p - before
            is_there = (column >= 0) & (column < m.width)
            count = b.select(is_there, images, b.i64(0))
            at = x + (r * m.row + column * m.padded_channels + c * amx.EDGE)
            _cut_pairs(b, at, words + p * half * amx.EDGE, count, spec.x_next)
        row = (c * _GROUPS + group) * m.height + r
        to = left + (row * size + q * (PIXELS * half))
        for part in range(amx.PARTS):
            held = words + part * amx.WORDS
            tile = [held.vector(n * amx.EDGE) for n in range(amx.EDGE)]
            for n, turned in enumerate(square(b, tile)):
                to.store(turned, part * (amx.EDGE * line) + n * line)


def _cut_grad(
    b: Builder,
    grad_y: Pointer,
    right: Pointer,
    group: Value,
    images: Value,
    spec: Images,
) -> None:
    """right[16 outputs][group][row][pair of columns][part] = parts of grad_y."""
    g, half = spec.conv.y, GROUP // 2
    with (
        b.loop(g.padded_channels // amx.EDGE) as o,
        b.loop(g.height) as r,
        b.loop(_pairs(spec)) as q,
    ):
        row = (o * _GROUPS + group) * g.height + r
        to = right + (row * _pairs(spec) + q) * _TILE
        for p in range(PIXELS):
            column = q * PIXELS + p
            count = b.select(column < g.width, images, b.i64(0))
            at = grad_y + (r * g.row + column * g.padded_channels + o * amx.EDGE)
            _cut_pairs(b, at, to + p * half * amx.EDGE, count, spec.y_next)


def _cut_pairs(b: Builder, at: Pointer, to: Pointer, images: Value, apart: int) -> None:
    """to[part][pair of images] = parts of 16 channels of 16 images; zeros behind."""

    def put(pair: Value, even: Value, odd: Value) -> None:
        for part, cut in enumerate(amx.paired(b, even, odd)):
            (to + pair * amx.EDGE).store(cut, part * amx.WORDS)

    with b.loop(images // 2) as pair:
        image = at + pair * (2 * apart)
        put(pair, image.vector(), image.vector(apart))
    with b.when((images % 2).equals(1)):
        put(images // 2, (at + (images - 1) * apart).vector(), b.zeros())
    with b.loop(GROUP // 2, start=(images + 1) // 2) as pair:
        put(pair, b.zeros(), b.zeros())


def _make_block(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    inputs: tuple[Pointer, Pointer],
    which: tuple[Value, Value, Value, Value],
    how: tuple[Value, Value, Value],
    spec: Images,
) -> None:
    """Make 32 × 32 weights' gradient of one tap, over up to 32 images."""
    (left, right, sums, grad_weight), (c, o, u, v) = places, which
    (count, groups, begin), conv, pairs = how, spec.conv, _pairs(spec)
    m, g, width = conv.x, conv.y, _width(spec)
    size = m.height * _left_row(spec)
    product = amx.Product(
        rows=2,
        columns=2,
        left_row=width * GROUP,
        left_part=amx.EDGE * width * GROUP,
        left_step=0,
        left_block=2 * _GROUPS * size,
        right_step=_TILE,
        right_column=_GROUPS * g.height * pairs * _TILE,
        sums_row=BLOCK,
        accumulate=True,
    )

    def left_at(step: Value) -> Value:
        """Return where a row of pixels and two of its columns lie."""
        return step // pairs * (2 * _left_row(spec)) + step % pairs * amx.DEPTH

    with b.loop(BLOCK * BLOCK, step=b.lanes) as n:
        sums.store(b.zeros(), n)
    out = g.padded_channels
    to = (u * conv.kernel[1] + v) * (conv.rows * out) + c * (BLOCK * out) + o * BLOCK
    with b.loop(BLOCK) as r:  # what is written comes while tiles are multiplied
        for k in range(0, BLOCK, amx.EDGE):
            b.prefetch(grad_weight + (to + r * out + k), to_write=True)
    first, last = inside(b, u, (conv.top_left[0], m.height), g.height)
    with b.loop(groups) as n:
        row = first + u - conv.top_left[0]
        at = left + ((c * 2 * _GROUPS + n) * size + row * _left_row(spec))
        tile = right + o * (2 * product.right_column)
        tile = tile + (n * g.height + first) * (pairs * _TILE)
        steps = (last - first) * pairs
        from_ = at.cast("i16") + v * GROUP
        amx.multiply(b, from_, tile, sums, steps, product, left_at=left_at)
    _, is_bad = are_finite(b, sums, BLOCK, BLOCK)
    with b.when(is_bad):
        x, grad_y = inputs[0] + c * BLOCK, inputs[1] + o * BLOCK
        _sum_plain(b, (x, grad_y, sums), (u, v, count), (first, last), spec)
    with b.loop(BLOCK) as r:
        for k in range(0, BLOCK, amx.EDGE):
            value, place = sums.vector(r * BLOCK + k), grad_weight + (to + r * out + k)
            before = b.var(b.zeros())
            with b.when(begin > 0):
                before.set(place.vector())
            place.store(value + before.get())


def _sum_plain(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    which: tuple[Value, Value, Value],
    rows: tuple[Value, Value],
    spec: Images,
) -> None:
    """sums = 32 × 32 weights' gradient of one tap, by vectors."""
    (x, grad_y, sums), (u, v, images) = places, which
    conv, m, g = spec.conv, spec.conv.x, spec.conv.y
    top, before = conv.top_left
    columns = inside(b, v, (before, m.width), g.width)
    with b.loop(BLOCK) as c, b.loop(BLOCK, step=b.lanes) as o:
        total = b.var(b.zeros())
        with (
            b.loop(images) as n,
            b.loop(rows[1], start=rows[0]) as i,
            b.loop(columns[1], start=columns[0]) as j,
        ):
            pixel = (i + u - top) * m.row + (j + v - before) * m.padded_channels
            seen = (x + (n * spec.x_next + pixel)).splat(c)
            there = n * spec.y_next + i * g.row + j * g.padded_channels
            total.set(b.fma(seen, (grad_y + there).vector(o), total.get()))
        sums.store(total.get(), c * BLOCK + o)
