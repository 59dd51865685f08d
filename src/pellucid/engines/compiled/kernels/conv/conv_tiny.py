"""Convolution of tiny maps: only the taps that lie inside the image.

On a map of 2×2 pixels, 20 of the 36 taps of a padded 3×3 window meet zeros. Without
them a direct convolution takes 16 products, no more than Winograd's algorithm, and
neither transforms weights nor reads transformed ones, which are twice as large. Pixels
are made one after the other; the rows of a register tile are images, so every weight is
read from memory once for all images of a chunk. The same kernel computes the gradient
with respect to the input, for any stride.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    Var,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv, Side
from pellucid.engines.compiled.kernels.elementwise.activation import apply
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Axis, part_runs, split, tile
from pellucid.engines.compiled.kernels.transpose import square

#: most outputs of a map, and most taps inside it of a hundred
MOST_PIXELS, MOST_INSIDE = 9, 80
#: floats of a cache line
LINE = 16
#: rows and vectors of the weight gradient's register tile
_ROWS, _VECTORS = 13, 2


@dataclass(frozen=True, slots=True)
class Tiny:
    """A convolution of images that lie ``x_next`` and ``y_next`` elements apart.

    ``is_gradient`` says that x is made from y: the gradient with respect to the input.
    ``inputs`` is how many inputs' weights get their gradient in one call; 0: all.
    """

    conv: Conv
    lanes: int
    registers: int
    x_next: int
    y_next: int
    is_gradient: bool = False
    inputs: int = 0

    @property
    def maps(self) -> tuple[ImageLayout, ImageLayout]:
        """The image that is read and the one that is made."""
        both = self.conv.x, self.conv.y
        return both[::-1] if self.is_gradient else both

    @property
    def steps(self) -> tuple[int, int]:
        """Elements from image to image of both."""
        both = self.x_next, self.y_next
        return both[::-1] if self.is_gradient else both

    @property
    def depth(self) -> int:
        """Terms of one tap; gradients sum over the channels of zeros as well."""
        source = self.maps[0]
        return source.padded_channels if self.is_gradient else source.channels

    @property
    def images(self) -> int:
        """Images that are the rows of one register tile."""
        return 8 if self.registers > 16 else 6

    @property
    def panels(self) -> list[tuple[int, int]]:
        """Vectors of outputs of each panel: (first, how many)."""
        vectors = self.maps[1].padded_channels // self.lanes
        return split(vectors, 3 if self.registers > 16 else 2)


def tiny_fits(conv: Conv, lanes: int) -> bool:
    """Return whether the kernels compute a convolution, and leave out enough of it."""
    is_plain = conv.groups == 1 and conv.dilation == (1, 1)
    is_whole = conv.x.padded_channels % lanes == conv.y.padded_channels % lanes == 0
    pixels = conv.y.height * conv.y.width
    inside, every = prod(map(_inside, conv.axes)), pixels * prod(conv.kernel)
    is_tiny = pixels <= MOST_PIXELS and 100 * inside <= MOST_INSIDE * every
    return is_plain and is_whole and is_tiny


def _inside(side: Side) -> int:
    """Return how many taps of all outputs lie inside along one axis."""
    starts = (i * side.stride - side.pad for i in range(side.outputs))
    return sum(0 <= s + u < side.size for s in starts for u in range(side.kernel))


def tiny_size(spec: Tiny) -> int:
    """Return how many elements the packed weights have."""
    taps = prod(spec.conv.kernel)
    return taps * spec.depth * spec.maps[1].padded_channels


@written_out
@kernel(w="f32*", packed="f32*")
def tiny_pack(b: Builder, w: Pointer, packed: Pointer, *, spec: Tiny) -> None:
    """packed[panel][tap][input][o] = w[tap, input, o]; or w[tap, o, input]."""
    conv, lanes, depth = spec.conv, spec.lanes, spec.depth
    rows, out, taps = conv.rows, conv.y.padded_channels, prod(conv.kernel)
    for first, width in part_runs(b, spec.panels, None):
        o, size = first * lanes, width * lanes
        with b.loop(taps) as tap:
            to = packed + (o * (taps * depth) + tap * (depth * size))
            at = w + tap * (rows * out)
            if not spec.is_gradient:
                with b.loop(depth) as c:
                    for v in range(width):
                        value = at.vector(c * out + (o + v * lanes), lanes=lanes)
                        to.store(value, c * size + v * lanes)
                continue
            with b.loop(depth, step=lanes) as c:
                for v in range(width):
                    corner = at + ((o + v * lanes) * out + c)
                    block = [corner.vector(r * out, lanes=lanes) for r in range(lanes)]
                    for r, row in enumerate(square(b, block)):
                        to.store(row, (c + r) * size + v * lanes)


@written_out
@kernel(x="f32*", packed="f32*", bias="f32*", y="f32*", images="n")
def conv_tiny(
    b: Builder,
    x: Pointer,
    packed: Pointer,
    bias: Pointer,
    y: Pointer,
    images: Value,
    *,
    spec: Tiny,
) -> None:
    """y[i, j, o] = f(bias[o] + Σ x[i·s + u − top, j·s + v − left, c] · w[u, v, c, o]).

    As a gradient, x is the gradient with respect to the convolution's output, and y
    that with respect to its input.
    """
    (source, target), lanes = spec.maps, spec.lanes
    x, y = x + source.at(0, 0), y + target.at(0, 0)
    groups, done = list[tuple[int, Value, Value]](), b.i64(0)
    for size in (spec.images, spec.images // 2, 1):
        many = (images - done) // size
        groups.append((size, done, many))
        done = done + many * size
    pool = list[Var]()
    depth = prod(spec.conv.kernel) * spec.depth
    for first, width in part_runs(b, spec.panels, None):
        o = first * lanes
        with b.loop(target.height) as i, b.loop(target.width) as j:
            to = y + (i * target.row + j * target.padded_channels + o)
            for size, begin, many in groups:
                with b.loop(many) as n:
                    image = begin + n * size
                    places = (
                        x + image * spec.steps[0],
                        packed + o * depth,
                        bias + o,
                        to + image * spec.steps[1],
                    )
                    turn = (n + i * target.width + j) % width
                    _tile(b, places, spec, (size, width), (i, j), turn, pool)


Places = tuple[Pointer, Pointer, Pointer, Pointer]


def _tile(
    b: Builder,
    places: Places,
    spec: Tiny,
    shape: tuple[int, int],
    pixel: tuple[Value, Value],
    turn: Value,
    pool: list[Var],
) -> None:
    """Make one pixel of some images; ask for one line of each row of the next panel."""
    (x, packed, bias, y), (count, width), lanes = places, shape, spec.lanes
    conv, (source, _), size = spec.conv, spec.maps, shape[1] * spec.lanes
    start = [
        bias.vector(v * lanes, lanes=lanes)
        if conv.has_bias and not spec.is_gradient
        else b.zeros(lanes)
        for v in range(width)
    ]
    while len(pool) < count * width:
        pool.append(b.var(start[0]))
    sums = [pool[r * width : (r + 1) * width] for r in range(count)]
    for row in sums:
        for total, value in zip(row, start, strict=True):
            total.set(value)
    ahead = prod(conv.kernel) * spec.depth * size + turn * LINE

    def steps(px: Pointer, pw: Pointer, terms: Number) -> None:
        with b.loop(terms) as c:
            at, here = pw + c * size, px + c
            b.prefetch(at + ahead)
            loaded = [at.vector(v * lanes, lanes=lanes) for v in range(width)]
            for r, row in enumerate(sums):
                value = here.splat(r * spec.steps[0], lanes=lanes)
                for v, total in enumerate(row):
                    total.set(b.fma(value, loaded[v], total.get()))

    (down, across), kw = conv.axes, conv.kernel[1]
    rows, columns = (
        _taps(b, side, at, spec.is_gradient)
        for side, at in zip((down, across), pixel, strict=True)
    )
    with b.loop(rows[1], start=rows[0], step=rows[2]) as u:
        i = _source(down, pixel[0], u, spec.is_gradient)
        line, w = x + i * source.row, packed + u * (kw * spec.depth * size)
        if not spec.is_gradient and source.channels == source.padded_channels:
            j = _source(across, pixel[1], columns[0], is_gradient=False)
            px = line + j * source.padded_channels
            pw = w + columns[0] * (spec.depth * size)
            steps(px, pw, (columns[1] - columns[0]) * spec.depth)
        else:
            with b.loop(columns[1], start=columns[0], step=columns[2]) as v:
                j = _source(across, pixel[1], v, spec.is_gradient)
                px = line + j * source.padded_channels
                steps(px, w + v * (spec.depth * size), spec.depth)
    for r, row in enumerate(sums):
        for n, total in enumerate(row):
            value, place = total.get(), r * spec.steps[1] + n * lanes
            if conv.accumulate:
                value = y.vector(place, lanes=lanes) + value
            if not spec.is_gradient:
                value = apply(b, conv.function, value)
            y.store(value, place)


def _taps(
    b: Builder, side: Side, at: Value, is_gradient: bool
) -> tuple[Value, Value, int]:
    """Return (first, end, step) of the taps that meet the image at one pixel."""
    if not is_gradient:
        begin = at * side.stride - side.pad
        end = b.smaller(b.i64(side.size) - begin, side.kernel)
        return b.larger(b.i64(0) - begin, 0), end, 1
    reach = at + side.pad
    least = b.larger(reach - side.stride * (side.outputs - 1), 0)
    first = least + (reach - least) % side.stride
    return first, b.smaller(reach + 1, side.kernel), side.stride


def _source(side: Side, at: Value, tap: Value, is_gradient: bool) -> Value:
    """Return which row or column a tap reads."""
    if is_gradient:
        return (at + side.pad - tap) // side.stride
    return at * side.stride + tap - side.pad


@written_out
@kernel(x="f32*", grad_y="f32*", grad_weight="f32*", images="n")
def conv_tiny_grad_weight(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad_weight: Pointer,
    images: Value,
    *,
    spec: Tiny,
) -> None:
    """grad_weight[u, v, c, o] = Σ x[i·s + u − top, j·s + v − left, c] · grad_y[…, o].

    The sum goes over all images; it replaces what was there.
    """
    conv, lanes = spec.conv, spec.lanes
    m, g, (kh, kw), (sy, sx) = conv.x, conv.y, conv.kernel, conv.stride
    channels, apart = spec.inputs or m.channels, spec.inputs or conv.rows
    x, grad_y = x + m.at(0, 0), grad_y + g.at(0, 0)
    down, across = conv.axes
    out = g.padded_channels
    for first, width in part_runs(b, split(out // lanes, _VECTORS), None):
        o = first * lanes
        most = min(_ROWS, (spec.registers - 1 - width) // width)
        with b.loop(kh) as u, b.loop(kw) as v:
            (i, rows), (j, columns) = _outputs(b, down, u), _outputs(b, across, v)
            top, left = i * sy + u - down.pad, j * sx + v - across.pad
            px = x + (top * m.row + left * m.padded_channels)
            py = grad_y + (i * g.row + j * out + o)
            to = grad_weight + ((u * kw + v) * (apart * out) + o)
            for c, length in part_runs(b, split(channels, most), None):
                sums = tile(
                    b,
                    px + c,
                    py,
                    rows=list(range(length)),
                    vectors=width,
                    axes=[
                        Axis(rows, sy * m.row, g.row),
                        Axis(columns, sx * m.padded_channels, out),
                        Axis(images, spec.x_next, spec.y_next),
                    ],
                    lanes=lanes,
                )
                for r, totals in enumerate(sums):
                    for n, value in enumerate(totals):
                        to.store(value, (c + r) * out + n * lanes)


def _outputs(b: Builder, side: Side, tap: Value) -> tuple[Value, Value]:
    """Return the first output whose tap lies inside, and how many there are."""
    first = b.larger((side.pad - tap + (side.stride - 1)) // side.stride, 0)
    reach = side.size - 1 + side.pad + side.stride
    end = b.smaller((reach - tap) // side.stride, side.outputs)
    return first, end - first
