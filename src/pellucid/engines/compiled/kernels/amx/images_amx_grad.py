"""Gradient of a convolution's weights on AMX tiles, images of small maps joined.

For each tap it is a product over pixels and images: x, transposed, is the left operand,
grad_y the right one. A tile sums over two neighbouring pixels of 16 images. Both are
cut into parts once for 32 images, and 32 × 32 weights of one tap are made at a time.

Where weights are many, a chunk's images would read and write all of them for few
products. There all images are cut first, and tasks make the weights of 32 inputs each,
over all images: the sum stays in the cache until the optimizer takes it.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Cut:
    """A convolution whose images are cut by ``tasks`` tasks for all that follows."""

    images: Images
    tasks: int

    @property
    def next(self) -> int:
        """Words of the parts of one image."""
        return -(-_group_size(self.images) // GROUP)


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
    """Words of all parts of x of 16 images."""
    x = spec.conv.x
    return x.height * x.padded_channels // amx.EDGE * _left_row(spec)


def _group_size(spec: Images) -> int:
    """Words of all parts of x and grad_y of 16 images."""
    y = spec.conv.y
    tiles = y.height * _pairs(spec) * y.padded_channels // amx.EDGE
    return _left_size(spec) + tiles * _TILE


def images_grad_scratch_size(spec: Images) -> int:
    """Return how many elements of scratch a worker needs."""
    return _GROUPS * _group_size(spec) + _TILE + BLOCK * BLOCK


def block_scratch_size() -> int:
    """Return how many elements of scratch `images_amx_grad_inputs` needs at most."""
    return max(_TILE, BLOCK * BLOCK)


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
    cut, group, out = scratch.cast("i32"), _group_size(spec), g.padded_channels
    words = scratch + _GROUPS * group
    with amx.tiles(b), b.loop(images, step=IMAGES) as begin:
        count = b.smaller(images - begin, IMAGES)
        groups = (count + (GROUP - 1)) // GROUP
        inputs = x + begin * spec.x_next, grad_y + begin * spec.y_next
        with b.loop(groups) as n:
            to = cut + n * group
            _cut(b, inputs, (words.cast("i32"), to), (n * GROUP, count), spec)
        with (
            b.loop(m.padded_channels // BLOCK) as c,
            b.loop(out // BLOCK) as o,
            b.loop(conv.kernel[0]) as u,
            b.loop(conv.kernel[1]) as v,
        ):
            tap = (u * conv.kernel[1] + v) * (conv.rows * out)
            to = grad_weight + (tap + c * (BLOCK * out) + o * BLOCK)
            with b.loop(BLOCK) as r:  # what is written comes while tiles are multiplied
                for k in range(0, BLOCK, amx.EDGE):
                    b.prefetch(to + (r * out + k), to_write=True)
            sums, which = words + _TILE, (c, o, u, v)
            _make_block(b, (cut, sums), inputs, which, (count, groups, group), spec)
            with b.loop(BLOCK) as r:
                for k in range(0, BLOCK, amx.EDGE):
                    value, place = sums.vector(r * BLOCK + k), to + (r * out + k)
                    before = b.var(b.zeros())
                    with b.when(begin > 0):
                        before.set(place.vector())
                    place.store(value + before.get())


@kernel(x="f32*", grad_y="f32*", cut="i32*", scratch="i32*", task="n", images="n")
def images_amx_cut(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    cut: Pointer,
    scratch: Pointer,
    task: Value,
    images: Value,
    *,
    spec: Cut,
) -> None:
    """cut[group] = parts of x and grad_y of 16 images; a task cuts some groups."""
    many, conv = spec.images, spec.images.conv
    inputs = x + conv.x.at(0, 0), grad_y + conv.y.at(0, 0)
    with b.loop((images + (GROUP - 1)) // GROUP, start=task, step=spec.tasks) as n:
        to = cut + n * (GROUP * spec.next)
        _cut(b, inputs, (scratch, to), (n * GROUP, images), many)


@kernel(
    x="f32*",
    grad_y="f32*",
    cut="i32*",
    made="f32*",
    scratch="f32*",
    block="n",
    images="n",
)
def images_amx_grad_inputs(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    cut: Pointer,
    made: Pointer,
    scratch: Pointer,
    block: Value,
    images: Value,
    *,
    spec: Cut,
) -> None:
    """made[u, v, r, o] = grad_weight[u, v, 32 · block + r, o], over all images."""
    many, conv = spec.images, spec.images.conv
    inputs = x + conv.x.at(0, 0), grad_y + conv.y.at(0, 0)
    groups, out = (images + (GROUP - 1)) // GROUP, conv.y.padded_channels
    how = images, groups, GROUP * spec.next
    with (
        amx.tiles(b),
        b.loop(out // BLOCK) as o,
        b.loop(conv.kernel[0]) as u,
        b.loop(conv.kernel[1]) as v,
    ):
        _make_block(b, (cut, scratch), inputs, (block, o, u, v), how, many)
        to = made + ((u * conv.kernel[1] + v) * (BLOCK * out) + o * BLOCK)
        with b.loop(BLOCK) as r:
            for k in range(0, BLOCK, amx.EDGE):
                (to + r * out).store(scratch.vector(r * BLOCK + k), k)


def _cut(
    b: Builder,
    inputs: tuple[Pointer, Pointer],
    places: tuple[Pointer, Pointer],
    which: tuple[Value, Value],
    spec: Images,
) -> None:
    """Cut 16 images, or those that there are, from the first of ``which`` on."""
    (x, grad_y), (words, to), (first, end) = inputs, places, which
    here = b.smaller(end - first, GROUP)
    _cut_x(b, (x + first * spec.x_next, words, to), here, spec)
    at = grad_y + first * spec.y_next
    _cut_grad(b, at, to + _left_size(spec), here, spec)


def _cut_x(
    b: Builder, places: tuple[Pointer, Pointer, Pointer], images: Value, spec: Images
) -> None:
    """left[16 channels][row][part][channel][column][image] = parts of x."""
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
        to = left + ((c * m.height + r) * size + q * (PIXELS * half))
        for part in range(amx.PARTS):
            held = words + part * amx.WORDS
            tile = [held.vector(n * amx.EDGE) for n in range(amx.EDGE)]
            for n, turned in enumerate(square(b, tile)):
                to.store(turned, part * (amx.EDGE * line) + n * line)


def _cut_grad(
    b: Builder, grad_y: Pointer, right: Pointer, images: Value, spec: Images
) -> None:
    """right[16 outputs][row][pair of columns][part] = parts of grad_y."""
    g, half = spec.conv.y, GROUP // 2
    with (
        b.loop(g.padded_channels // amx.EDGE) as o,
        b.loop(g.height) as r,
        b.loop(_pairs(spec)) as q,
    ):
        to = right + ((o * g.height + r) * _pairs(spec) + q) * _TILE
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
    places: tuple[Pointer, Pointer],
    inputs: tuple[Pointer, Pointer],
    which: tuple[Value, Value, Value, Value],
    how: tuple[Value, Value, int],
    spec: Images,
) -> None:
    """sums = 32 × 32 weights' gradient of one tap.

    ``how``: of how many images, in how many groups, whose parts lie how far apart.
    """
    (cut, sums), (c, o, u, v) = places, which
    (count, groups, apart), conv, pairs = how, spec.conv, _pairs(spec)
    m, g, width = conv.x, conv.y, _width(spec)
    size = m.height * _left_row(spec)
    product = amx.Product(
        rows=2,
        columns=2,
        left_row=width * GROUP,
        left_part=amx.EDGE * width * GROUP,
        left_step=0,
        left_block=2 * size,
        right_step=_TILE,
        right_column=g.height * pairs * _TILE,
        sums_row=BLOCK,
    )
    first, last = inside(b, u, (conv.top_left[0], m.height), g.height)
    each = (last - first) * pairs  # steps of a group

    def left_at(step: Value) -> Value:
        """Return where a row of pixels and two of its columns lie."""
        n, pair = step // each, step % each
        row, columns = pair // pairs, pair % pairs
        return n * (2 * apart) + row * (2 * _left_row(spec)) + columns * amx.DEPTH

    def right_at(step: Value) -> Value:
        return step // each * apart + step % each * _TILE

    row = first + u - conv.top_left[0]
    left = cut + (c * (2 * size) + row * _left_row(spec))
    right = cut + (_left_size(spec) + o * (2 * product.right_column))
    amx.multiply(
        b,
        left.cast("i16") + v * GROUP,
        right + first * (pairs * _TILE),
        sums,
        groups * each,
        product,
        left_at=left_at,
        right_at=right_at,
    )
    _, is_bad = are_finite(b, sums, BLOCK, BLOCK)
    with b.when(is_bad):
        x, grad_y = inputs[0] + c * BLOCK, inputs[1] + o * BLOCK
        _sum_plain(b, (x, grad_y, sums), (u, v, count), (first, last), spec)


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
