"""Direct convolution for every stride and dilation.

It and its two derivatives (`conv_input`, `conv_weight`) are products made of register
tiles; the zeros around the image lie in memory, so no loop asks where the image ends.
Grouped convolutions run group by group. Weights are
[kernel_h][kernel_w][input channels of a group][output channels].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.activation import Function, apply
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    Part,
    lanes_for,
    runs,
    split,
    tile,
    tile_shape,
)

Pair = tuple[int, int]
#: (how many images, elements from one to the next in x, and in y)
Images = tuple[Value, int, int]


@dataclass(frozen=True, slots=True)
class Side:
    """A convolution along one axis: sizes of x and y, and how the window moves."""

    size: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    pad: int

    @property
    def reach(self) -> int:
        """How far the last window reaches beyond x; negative where it ends before."""
        last = (self.outputs - 1) * self.stride + self.dilation * (self.kernel - 1)
        return last - self.pad - (self.size - 1)


@dataclass(frozen=True, slots=True)
class Conv:
    """One convolution: y = x * w + bias, its sizes and how both images lie."""

    x: ImageLayout
    y: ImageLayout
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    top_left: Pair = (0, 0)
    groups: int = 1
    has_bias: bool = True
    function: Function | None = None
    accumulate: bool = False

    @property
    def axes(self) -> tuple[Side, Side]:
        """The convolution down and across."""
        x, y = self.x, self.y
        sizes = zip((x.height, x.width), (y.height, y.width), strict=True)
        down, across = (
            Side(*both, *how)
            for both, *how in zip(
                sizes,
                self.kernel,
                self.stride,
                self.dilation,
                self.top_left,
                strict=True,
            )
        )
        return down, across

    @property
    def rows(self) -> int:
        """Input channels of a group as they lie in the weights."""
        return (
            self.x.padded_channels
            if self.groups == 1
            else self.x.channels // self.groups
        )

    @property
    def group_outputs(self) -> int:
        """Output channels of a group."""
        return (
            self.y.padded_channels
            if self.groups == 1
            else self.y.channels // self.groups
        )

    @property
    def multiply_adds(self) -> int:
        """The multiplications (each with its addition) of one image."""
        per_output = prod(self.kernel) * self.x.channels // self.groups
        return self.y.height * self.y.width * self.y.channels * per_output

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights in memory."""
        return (*self.kernel, self.rows, self.y.padded_channels)

    @property
    def transposed_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights in memory for the input's derivative."""
        return (*self.kernel, self.y.channels, self.rows)


@dataclass(frozen=True, slots=True)
class ConvJoined:
    """A convolution of a chunk's images, so many elements apart in x and in y."""

    conv: Conv
    x_next: int
    y_next: int


@kernel(x="f32*", w="f32*", bias="f32*", y="f32*")
def conv_forward(
    b: Builder,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    *,
    spec: Conv,
    part: Part | None = None,
) -> None:
    """y[i, j, o] = f(bias[o] + Σ x[i·s + u·d − top, j·s + v·d − left, c] · w[…, o]).

    A part is some rows of y.
    """
    first, last = part or (0, spec.y.height)
    lanes = lanes_for(b, spec.group_outputs)
    (sy, sx), m = spec.stride, spec.x
    top, left = spec.top_left
    x, y = x + m.at(-top, -left), y + spec.y.at(0, 0)
    for g in each_group(b, spec.groups):
        gx, go = x + g * spec.rows, g * spec.group_outputs
        for v, width, many in vector_runs(b, spec.group_outputs // lanes, spec.y.width):
            with b.loop(many) as block:
                o = (block * width + v) * lanes + go
                start = [
                    bias.vector(o + k * lanes, lanes=lanes)
                    if spec.has_bias
                    else b.zeros(lanes)
                    for k in range(width)
                ]
                with b.loop(last, start=first) as i:
                    px = gx + i * (sy * m.row)
                    py = y + i * spec.y.row + o
                    for p, length, times in row_runs(b, spec.y.width, width):
                        with b.loop(times) as j:
                            at = j * length + p
                            sums = tile(
                                b,
                                px + at * (sx * m.padded_channels),
                                w + o,
                                rows=[
                                    r * sx * m.padded_channels for r in range(length)
                                ],
                                vectors=width,
                                axes=_taps(spec),
                                lanes=lanes,
                                start=[start] * length,
                            )
                            _put(b, sums, py + at * spec.y.padded_channels, spec, lanes)


def _taps(spec: Conv) -> list[Axis]:
    (kh, kw), (dy, dx), m = spec.kernel, spec.dilation, spec.x
    out, rows = spec.y.padded_channels, spec.rows
    down = Axis(kh, dy * m.row, kw * rows * out)
    true = m.channels if spec.groups == 1 else rows  # without the channels of zeros
    if dx == 1 and spec.groups == 1 and true == rows:
        return [down, Axis(kw * rows, 1, out)]
    return [down, Axis(kw, dx * m.padded_channels, rows * out), Axis(true, 1, out)]


def _put(
    b: Builder, sums: list[list[Value]], y: Pointer, spec: Conv, lanes: int
) -> None:
    for r, row in enumerate(sums):
        for v, value in enumerate(row):
            at = r * spec.y.padded_channels + v * lanes
            if spec.accumulate:
                value = y.vector(at, lanes=lanes) + value
            y.store(apply(b, spec.function, value), at)


def each_group(b: Builder, groups: int) -> Iterator[Number]:
    """Yield the number of every group, by a loop where there are some."""
    if groups == 1:
        yield 0
    else:
        with b.loop(groups) as g:
            yield g


def vector_runs(b: Builder, vectors: int, rows: int) -> list[tuple[int, int, int]]:
    """Cut the output channels' vectors: [(first, width of a tile, how many)]."""
    _, width = tile_shape(b, vectors, rows)
    return runs(split(vectors, width))


def row_runs(b: Builder, rows: int, width: int) -> list[tuple[int, int, int]]:
    """Cut a row's pixels: [(first, length of a tile, how many)]."""
    return runs(split(rows, most_rows(b, width)))


def most_rows(b: Builder, width: int) -> int:
    """Return how many rows a tile of so many vectors may have."""
    return max(1, min((b.registers - 2 - width) // width, 14 if width > 1 else 28))


@kernel(bias="f32*", y="f32*")
def add_bias(b: Builder, bias: Pointer, y: Pointer, *, spec: ImageLayout) -> None:
    """y[i, j, o] += bias[o]."""
    lanes = lanes_for(b, spec.padded_channels)
    with b.loop(spec.padded_channels // lanes) as v:
        shift = bias.vector(v * lanes, lanes=lanes)
        with b.loop(spec.height) as i, b.loop(spec.width) as j:
            place = y + (i * spec.row + j * spec.padded_channels + spec.at(0, 0))
            value = place.vector(v * lanes, lanes=lanes) + shift
            place.store(value, v * lanes)


@kernel(w="f32*", turned="f32*")
def conv_from_ohwi(b: Builder, w: Pointer, turned: Pointer, *, spec: Conv) -> None:
    """turned[u, v, c, o] = w[o, u, v, c], without groups."""
    out, patch = spec.y.padded_channels, spec.kernel[0] * spec.kernel[1] * spec.rows
    with b.loop(out) as o, b.loop(patch) as k:
        turned.store((w + o * patch).load(k), k * out + o)
