"""Convolution of small maps on AMX tiles: several images are the rows of a tile.

On a map of 4×4 pixels one image has too few rows for a tile, and reading large weights
takes longer than multiplying them. Here a chunk's images are cut into parts together,
[row][32 channels][part][column][image], so that a tile's rows are some images of
neighbouring pixels. Of the weights, 32 outputs at a time are read, cut and multiplied
with all images; nothing is packed beforehand, so they are read from memory once. Rows
of taps outside of the image are left out. The same kernel makes the gradient with
respect to the input, with weights whose tiles are transposed in registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.amx.not_finite import are_finite, finish
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.transpose import square

#: rows and columns of a block of sums: two tiles each way
BLOCK = 2 * amx.EDGE
#: images whose parts lie in memory at once: weights are cut once for all of them
IMAGES = 32
#: bytes of the parts of the images of one tile, which stay in the second cache
CACHED = 3 << 18
#: fewest channels on either side, and most pixels of a map
LEAST_CHANNELS, MOST_PIXELS = 128, 64
#: rows of weights that are asked for ahead
_AHEAD = 64

_TILE = amx.PARTS * amx.WORDS  # 32-bit words


@dataclass(frozen=True, slots=True)
class Images:
    """A convolution of images that lie ``x_next`` and ``y_next`` elements apart.

    ``is_turned``: the weights are [taps in reverse][output][input], those of the
    convolution whose input's gradient this one makes.
    """

    conv: Conv
    x_next: int
    y_next: int
    is_turned: bool = False

    @property
    def group(self) -> int:
        """Images of one tile: as many as fit into the cache."""
        for images in (16, 8):
            if self._group_bytes(images) <= CACHED:
                return images
        return 4

    def _group_bytes(self, images: int) -> int:
        x = self.conv.x
        return x.height * self._width(images) * x.channels * images * 2 * amx.PARTS

    @property
    def positions(self) -> int:
        """Neighbouring pixels of a block of sums."""
        return BLOCK // self.group

    @property
    def width(self) -> int:
        """Columns that are cut: the image's, and zeros on either side."""
        return self._width(self.group)

    def _width(self, images: int) -> int:
        reach = self.conv.kernel[1] - 1
        return padded(self.conv.y.width, BLOCK // images) + reach

    @property
    def steps(self) -> int:
        """Tiles that the channels of a pixel take."""
        return self.conv.x.channels // amx.DEPTH

    @property
    def plane(self) -> int:
        """16-bit numbers of one part of 32 channels of a row of pixels of a group."""
        return self.width * self.group * amx.DEPTH

    @property
    def row(self) -> int:
        """16-bit numbers of all parts of a row of pixels of a group."""
        return self.steps * amx.PARTS * self.plane

    @property
    def left_size(self) -> int:
        """16-bit numbers of all images' parts."""
        return IMAGES // self.group * self.conv.x.height * self.row

    @property
    def right_size(self) -> int:
        """Words of the parts of one panel of weights."""
        return BLOCK // amx.EDGE * prod(self.conv.kernel) * self.steps * _TILE


def images_fit(conv: Conv) -> bool:
    """Return whether the kernel computes a convolution, and gains."""
    x, y = conv.x, conv.y
    is_plain = conv.groups == 1 and conv.stride == conv.dilation == (1, 1)
    is_whole = x.channels % BLOCK == y.channels % BLOCK == 0
    is_large = min(x.channels, y.channels) >= LEAST_CHANNELS
    is_small = y.height * y.width <= MOST_PIXELS and min(y.width, x.width) > 1
    is_seen = all(p < k for p, k in zip(conv.top_left, conv.kernel, strict=True))
    is_large = is_large and prod(conv.kernel) > 1
    return is_plain and is_whole and is_large and is_small and is_seen


def images_scratch_size(spec: Images) -> int:
    """Return how many elements of scratch a worker needs."""
    return spec.left_size // 2 + spec.right_size + BLOCK * BLOCK


@kernel(x="f32*", w="f32*", bias="f32*", y="f32*", scratch="f32*", images="n")
def images_amx(
    b: Builder,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: Images,
) -> None:
    """y[i, j, o] = f(bias[o] + Σ x[i + u − top, j + v − left, c] · w[u, v, c, o])."""
    conv, group = spec.conv, spec.group
    right = scratch + spec.left_size // 2
    sums, left = right + spec.right_size, scratch.cast("i16")
    x, y = x + conv.x.at(0, 0), y + conv.y.at(0, 0)
    with amx.tiles(b), b.loop(images, step=IMAGES) as begin:
        count = b.smaller(images - begin, IMAGES)
        groups = (count + (group - 1)) // group
        with b.loop(groups) as g:
            first = begin + g * group
            here = b.smaller(images - first, group)
            to = left + g * (conv.x.height * spec.row)
            _cut_images(b, x + first * spec.x_next, to, here, spec)
        with b.loop(conv.y.padded_channels, step=BLOCK) as o:
            _cut_panel(b, w, right.cast("i32"), o, spec)
            with b.loop(groups) as g, b.loop(conv.y.height) as i:
                first = begin + g * group
                here = b.smaller(images - first, group)
                places = (
                    left + g * (conv.x.height * spec.row),
                    right.cast("i32"),
                    sums,
                    x + first * spec.x_next,
                    w,
                    bias + o,
                    y + (first * spec.y_next + i * conv.y.row + o),
                )
                with b.loop(conv.y.width, step=spec.positions) as j:
                    _make_block(b, places, (i, j, o), here, spec)


def _cut_images(
    b: Builder, x: Pointer, left: Pointer, images: Value, spec: Images
) -> None:
    """left[row][step][part][column][image] = the parts of 32 channels."""
    conv, m = spec.conv, spec.conv.x
    first, pixel = conv.top_left[1], spec.group * amx.DEPTH
    for start, end in ((0, first), (first + m.width, spec.width)):
        many = m.height * spec.steps * amx.PARTS
        with b.loop(many) as n, b.loop(end, start=start) as c:
            to = (left + (n * spec.plane + c * pixel)).cast("f32")
            with b.loop(pixel // 2, step=b.lanes) as i:
                to.store(b.zeros(), i)
    with b.loop(images) as n, b.loop(m.height) as r, b.loop(m.width) as c:
        at = x + (n * spec.x_next + r * m.row + c * m.padded_channels)
        to = left + (r * spec.row + (c + first) * pixel + n * amx.DEPTH)
        with b.loop(spec.steps) as step:
            from_, place = at + step * amx.DEPTH, to + step * (amx.PARTS * spec.plane)
            cut = amx.in_row(b, from_.vector(0), from_.vector(amx.EDGE))
            for part, halves in enumerate(cut):
                place.store(halves, part * spec.plane)


def _cut_panel(b: Builder, w: Pointer, right: Pointer, o: Value, spec: Images) -> None:
    """right[column][tap][step][part] = the parts of 32 outputs' weights."""
    conv, taps, steps = spec.conv, prod(spec.conv.kernel), spec.steps
    size = taps * steps * _TILE
    if spec.is_turned:
        inputs, outputs = conv.x.padded_channels, conv.y.padded_channels
        columns = BLOCK // amx.EDGE
        with b.loop(taps) as tap, b.loop(columns) as column, b.loop(steps) as step:
            row = (b.i64(taps - 1) - tap) * outputs + o + column * amx.EDGE
            at = w + (row * inputs + step * amx.DEPTH)
            to = right + (column * size + (tap * steps + step) * _TILE)
            for r in range(amx.EDGE):
                both = (at + r * inputs).vector(0), (at + r * inputs).vector(amx.EDGE)
                for part, halves in enumerate(amx.in_row(b, *both)):
                    (to + (part * amx.WORDS + r * amx.EDGE)).cast("i16").store(halves)
            for part in range(0, _TILE, amx.WORDS):
                lines = [to.vector(part + r * amx.EDGE) for r in range(amx.EDGE)]
                for r, turned in enumerate(square(b, lines)):
                    to.store(turned, part + r * amx.EDGE)
        return
    n = conv.y.padded_channels
    with b.loop(taps * steps) as step, b.loop(amx.EDGE) as pair:
        at = w + ((step * amx.DEPTH + pair * 2) * n + o)
        for place in (0, amx.EDGE, n, n + amx.EDGE):
            b.prefetch(at + (_AHEAD * n + place))
        for half in range(BLOCK // amx.EDGE):
            to = right + (step * _TILE + pair * amx.EDGE + half * size)
            both = at.vector(half * amx.EDGE), at.vector(half * amx.EDGE + n)
            for part, words in enumerate(amx.paired(b, *both)):
                to.store(words, part * amx.WORDS)


Places = tuple[Pointer, Pointer, Pointer, Pointer, Pointer, Pointer, Pointer]


def _make_block(
    b: Builder,
    places: Places,
    at: tuple[Value, Value, Value],
    images: Value,
    spec: Images,
) -> None:
    """Make 32 outputs of some neighbouring pixels of a group's images."""
    (left, right, sums, x, w, bias, y), (i, j, o) = places, at
    conv, steps, (kh, kw) = spec.conv, spec.steps, spec.conv.kernel
    product = amx.Product(
        rows=2,
        columns=2,
        left_row=amx.DEPTH,
        left_part=spec.plane,
        left_step=amx.PARTS * spec.plane,
        left_block=amx.EDGE * amx.DEPTH,
        right_step=_TILE,
        right_column=kh * kw * steps * _TILE,
        sums_row=BLOCK,
        accumulate=True,
    )
    pixel = spec.group * amx.DEPTH

    def left_at(step: Value) -> Value:
        """Return where a tap of the row and some channels lie."""
        return step // steps * pixel + step % steps * product.left_step

    with b.loop(BLOCK * BLOCK, step=b.lanes) as n:
        sums.store(b.zeros(), n)
    first, last = inside(b, i, (conv.top_left[0], conv.x.height), kh)
    with b.loop(last, start=first) as u:
        row = left + ((i + u - conv.top_left[0]) * spec.row + j * pixel)
        taps = right + u * (kw * steps * _TILE)
        amx.multiply(b, row, taps, sums, kw * steps, product, left_at=left_at)

    def is_kept(r: Value) -> Value:
        return (r % spec.group < images) & (j + r // spec.group < conv.y.width)

    _, is_bad = are_finite(b, sums, BLOCK, BLOCK, is_kept)
    with b.when(is_bad), b.loop(BLOCK) as r, b.when(is_kept(r)):
        image = x + r % spec.group * spec.x_next
        _sum_plain(b, (image, w, sums + r * BLOCK), (i, j + r // spec.group, o), spec)
    pixels = b.smaller(b.i64(conv.y.width) - j, spec.positions)
    with b.loop(pixels) as p, b.loop(images) as n:
        line = sums + (p * spec.group + n) * BLOCK
        to = y + (n * spec.y_next + (j + p) * conv.y.padded_channels)
        for v in range(0, BLOCK, amx.EDGE):
            finish(b, conv, line.vector(v), bias + v, to + v)


def inside(
    b: Builder, at: Value, axis: tuple[int, int], end: int
) -> tuple[Value, Value]:
    """Return the first tap, of ``end``, that a pixel sees inside, and the end of them.

    ``axis`` are the zeros before the image and its size. Taps and pixels may be
    exchanged.
    """
    before, size = axis
    first = b.larger(b.i64(before) - at, 0)
    return first, b.smaller(b.i64(size + before) - at, end)


def _sum_plain(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    at: tuple[Value, Value, Value],
    spec: Images,
) -> None:
    """sums = 32 outputs of one pixel of an image, by vectors."""
    (x, w, sums), (i, j, first) = places, at
    conv, m, (kh, kw) = spec.conv, spec.conv.x, spec.conv.kernel
    inputs, outputs = m.padded_channels, conv.y.padded_channels
    lanes = 1 if spec.is_turned else b.lanes
    top, before = conv.top_left
    rows = inside(b, i, (top, m.height), kh)
    columns = inside(b, j, (before, m.width), kw)
    with b.loop(BLOCK, step=lanes) as o:
        total = b.var(b.zeros())
        with (
            b.loop(rows[1], start=rows[0]) as u,
            b.loop(columns[1], start=columns[0]) as v,
        ):
            pixel = (i + u - top) * m.row + (j + v - before) * inputs
            if spec.is_turned:
                tap = (b.i64(kh * kw - 1) - (u * kw + v)) * outputs
                row = w + (tap + first + o) * inputs
                with b.loop(inputs, step=b.lanes) as c:
                    seen = (x + pixel).vector(c)
                    total.set(b.fma(row.vector(c), seen, total.get()))
            else:
                row = w + ((u * kw + v) * (inputs * outputs) + first + o)
                with b.loop(inputs) as c:
                    seen = (x + pixel).splat(c)
                    total.set(b.fma(row.vector(c * outputs), seen, total.get()))
        sums.store(b.total(total.get()) if spec.is_turned else total.get(), o)
