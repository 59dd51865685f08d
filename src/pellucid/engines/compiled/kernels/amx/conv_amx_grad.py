"""Gradient of a convolution's weights on AMX tiles.

The sums go over pixels, which are numbered as in `conv_amx`: grad_y has zeros over the
ends of the rows. Outputs are the rows of a tile and 32 pixels its depth, so grad_y is
turned; of x, each word holds a pixel and the next one, so that a tap, wherever it
begins, only begins further on. Some images are cut into parts together, and the sums
of 32 inputs go over all of them before the next inputs' turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.amx import amx
from pellucid.engines.compiled.kernels.amx.conv_amx import (
    ConvAmx,
    channels_of,
    conv_amx_cut,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import clear
from pellucid.engines.compiled.kernels.transpose import square

#: bytes of the images that are cut together, and how many at most
CACHED, IMAGES = 5 << 18, 64
#: tiles of the depth that one block of sums goes over: their numbers lie in the first
#: cache for all taps and some outputs
STEPS = 8

_TILE = 2 * amx.WORDS  # 16-bit numbers


@dataclass(frozen=True, slots=True)
class ConvAmxGrad:
    """The weights' gradient; images lie so many elements apart in x and in grad_y."""

    spec: ConvAmx
    x_next: int
    grad_next: int

    @property
    def steps(self) -> int:
        """Tiles of the depth of one image."""
        return -(-self.spec.pixels // amx.DEPTH)

    @property
    def pixels(self) -> int:
        """Pixels of a plane of x that one image's tiles read."""
        return self.spec.plane - self.spec.pixels + self.steps * amx.DEPTH

    @property
    def inputs(self) -> int:
        """Tiles that the channels of x take."""
        return self.spec.channel_steps * 2

    @property
    def outputs(self) -> int:
        """Tiles that the channels of grad_y take."""
        return self.spec.conv.y.padded_channels // amx.EDGE

    @property
    def rows(self) -> int:
        """Tiles of outputs that go together."""
        return 2 - self.outputs % 2

    @property
    def images(self) -> int:
        """Images that are cut together."""
        words = len(self.spec.planes) * self.inputs * self.pixels * amx.EDGE
        halves = self.outputs * self.steps * _TILE
        one = self.spec.cuts * (4 * words + 2 * halves)
        return max(1, min(IMAGES, CACHED // one))

    @property
    def block(self) -> int:
        """Numbers of a block of sums: some outputs, 32 inputs, of one tap."""
        return self.rows * amx.EDGE * amx.DEPTH

    @property
    def sums_size(self) -> int:
        """Numbers of all sums: [32 inputs][outputs][tap][output][input]."""
        taps = prod(self.spec.conv.kernel)
        return self.inputs * self.outputs * amx.EDGE * amx.EDGE * taps

    @property
    def line_sizes(self) -> tuple[int, int]:
        """16-bit numbers of an image's pixels in a row: of x, and of grad_y."""
        blocks = -(-self.outputs // 2)
        pixels = self.steps * amx.DEPTH * amx.DEPTH
        of_x = 2 * self.spec.left_size + amx.DEPTH  # a word reads the next pixel
        return of_x, self.spec.cuts * blocks * pixels

    @property
    def part_sizes(self) -> tuple[int, int]:
        """16-bit numbers of one part of 16 channels: of x, and of grad_y."""
        of_x = 2 * self.images * self.pixels * amx.EDGE
        return of_x, self.images * self.steps * _TILE

    @property
    def right_plane(self) -> int:
        """Words of a plane of x."""
        return self.inputs * self.spec.cuts * self.part_sizes[0] // 2

    @property
    def scratch_size(self) -> int:
        """Elements of scratch."""
        right, left = self.part_sizes
        right *= len(self.spec.planes) * self.inputs * self.spec.cuts
        left *= self.outputs * self.spec.cuts
        return (sum(self.line_sizes) + right + left) // 2


@kernel(x="f32*", grad_y="f32*", sums="f32*", scratch="f32*", images="n")
def conv_amx_grad_weight(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    sums: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: ConvAmxGrad,
) -> None:
    """sums += Σ over images and pixels grad_y[i, j, o] · x[i·s + u·d, j·s + v·d, c]."""
    of_x, of_grad = spec.line_sizes
    x_line = scratch.cast("i16")
    grad_line = x_line + of_x
    left = grad_line + of_grad
    right = (left + spec.part_sizes[1] * spec.outputs * spec.spec.cuts).cast("i32")
    clear(b, scratch, spec.scratch_size // amx.EDGE * amx.EDGE)
    with amx.tiles(b), b.loop(images, step=spec.images) as m:
        count = b.smaller(images - m, spec.images)
        with b.loop(count) as i:
            image = x + (m + i) * spec.x_next
            b.call(conv_amx_cut, image, x_line.cast("f32"), spec=spec.spec)
            _pair(b, x_line, right, i, spec)
            _line_up(b, grad_y + (m + i) * spec.grad_next, grad_line, spec)
            _turn(b, grad_line, left, i, spec)
        _sum(b, (left, right, sums), count * spec.steps, spec)


def _pair(
    b: Builder, line: Pointer, right: Pointer, image: Value, spec: ConvAmxGrad
) -> None:
    """right[plane][16 inputs][part][image][pixel] = words of a pixel and the next."""
    whole, part_size = spec.spec, spec.part_sizes[0] // 2
    plane, size = whole.plane * amx.DEPTH, whole.cuts * part_size
    right = right + image * (spec.pixels * amx.EDGE)
    planes = len(whole.planes) * whole.channel_steps
    for part in range(whole.cuts):
        with b.loop(planes) as step:
            from_ = line + (step * whole.cuts + part) * plane
            to = right + (step * (2 * size) + part * part_size)
            with b.loop(whole.plane) as p:
                both = (
                    (from_ + (p + n) * amx.DEPTH).vector(lanes=amx.DEPTH)
                    for n in (0, 1)
                )
                here, following = both
                for n in range(2):
                    words = amx.neighbours(b, here, following, n * amx.EDGE)
                    (to + p * amx.EDGE).store(words, n * size)


def _line_up(b: Builder, grad_y: Pointer, line: Pointer, spec: ConvAmxGrad) -> None:
    """line[32 outputs][part][pixel] = parts, with zeros over the ends of the rows."""
    whole, m = spec.spec, spec.spec.conv.y
    size = spec.steps * amx.DEPTH * amx.DEPTH
    grad_y = grad_y + m.at(0, 0)
    of_grad = ConvAmx(Conv(m, m, (1, 1)), whole.cuts)
    with b.loop(m.height) as i, b.loop(m.width) as j:
        place = line + (i * whole.width + j) * amx.DEPTH

        def put(step: Value, cut: list[Value], place: Pointer = place) -> None:
            for n, halves in enumerate(cut):
                place.store(halves, (step * whole.cuts + n) * size)

        pixel = grad_y + (i * m.row + j * m.padded_channels)
        channels_of(b, pixel, of_grad, put)


def _turn(
    b: Builder, line: Pointer, left: Pointer, image: Value, spec: ConvAmxGrad
) -> None:
    """left[16 outputs][part][image][step] = a tile: outputs down, 32 pixels across."""
    cuts, size = spec.spec.cuts, spec.steps * amx.DEPTH * amx.DEPTH
    part_size = spec.part_sizes[1]
    for o in range(spec.outputs):
        for part in range(cuts):
            from_ = line + ((o // 2 * cuts + part) * size + o % 2 * amx.EDGE)
            to = left + ((o * cuts + part) * part_size + image * (spec.steps * _TILE))
            with b.loop(spec.steps) as step:
                pixels = from_ + step * (amx.DEPTH * amx.DEPTH)
                halves = [
                    (pixels + p * amx.DEPTH).vector(lanes=amx.EDGE)
                    for p in range(amx.DEPTH)
                ]
                pairs = zip(halves[::2], halves[1::2], strict=True)
                words = [amx.neighbours(b, *pair) for pair in pairs]
                tile = (to + step * _TILE).cast("i32")
                for r, row in enumerate(square(b, words)):
                    tile.store(row, r * amx.EDGE)


def _sum(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    steps: Value,
    spec: ConvAmxGrad,
) -> None:
    """Add the products of some images, which are so many tiles deep together."""
    (left, right, sums), whole = places, spec.spec
    conv, cuts, part_size = whole.conv, whole.cuts, spec.part_sizes
    taps = prod(conv.kernel)
    product = amx.Product(
        rows=spec.rows,
        columns=2,
        left_row=amx.DEPTH,
        left_part=part_size[1],
        left_step=_TILE,
        left_block=cuts * part_size[1],
        right_step=0,
        right_column=cuts * part_size[0] // 2,
        sums_row=amx.DEPTH,
        accumulate=True,
        parts=cuts,
        right_row=2 * amx.EDGE,
        right_part=part_size[0] // 2,
    )
    blocks = spec.outputs // spec.rows
    with b.loop(whole.channel_steps) as c, b.loop(steps, step=STEPS) as first:
        deep = b.smaller(steps - first, STEPS)

        def right_at(step: Value, first: Value = first) -> Value:
            at = first + step
            image, within = at // spec.steps, at % spec.steps
            place = image * (spec.pixels * amx.EDGE)
            return place + within * (amx.DEPTH * amx.EDGE)

        with b.loop(blocks) as o, b.loop(taps) as tap:
            rows = left + (first * _TILE + o * (spec.rows * product.left_block))
            columns = right + (c * (2 * product.right_column) + _tap(b, tap, spec))
            to = sums + ((c * blocks + o) * taps + tap) * spec.block
            amx.multiply(b, rows, columns, to, deep, product, right_at=right_at)


def _tap(b: Builder, tap: Value, spec: ConvAmxGrad) -> Value:
    """Return where the words that a tap sees begin."""
    plane, pixel = spec.spec.place_of(b, tap)
    return plane * spec.right_plane + pixel * amx.EDGE


@kernel(sums="f32*", grad="f32*")
def conv_amx_grad_back(
    b: Builder, sums: Pointer, grad: Pointer, *, spec: ConvAmxGrad
) -> None:
    """grad[u, v, c, o] += the sums, turned, which then are zero."""
    conv, blocks = spec.spec.conv, spec.outputs // spec.rows
    taps, n, inputs = prod(conv.kernel), conv.y.padded_channels, conv.x.padded_channels
    with b.loop(inputs // amx.EDGE) as c, b.loop(spec.outputs) as o, b.loop(taps) as t:
        block = ((c // 2 * blocks + o // spec.rows) * taps + t) * spec.block
        row = o % spec.rows * (amx.EDGE * amx.DEPTH)
        from_ = sums + (block + row + c % 2 * amx.EDGE)
        rows = [from_.vector(r * amx.DEPTH) for r in range(amx.EDGE)]
        to = grad + (t * (inputs * n) + c * (amx.EDGE * n) + o * amx.EDGE)
        for r, row_ in enumerate(square(b, rows)):
            to.store(to.vector(r * n) + row_, r * n)
