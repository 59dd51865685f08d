"""Sparse gradient with respect to the weights, behind a max-pool.

Behind a 2×2 max-pool at most one cell of four receives a derivative, and none where
ReLU gave zero. For each output channel the windows that do are the bits of integers,
which are gone through. Nothing is approximated: what is left out is zero.

Weights and their derivative lie output by output, [out][kernel_h][kernel_w][in], so
that an output's bits are gone through with its weights in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import (
    I64,
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
    vector_of,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_pool import CELLS
from pellucid.engines.compiled.kernels.conv.vector_compress import differs, each_bit
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.pool.pool_epilogue import INACTIVE
from pellucid.engines.compiled.kernels.tile import lanes_for, runs, split

#: windows whose lives are the bits of one integer
BITS = 64


@dataclass(frozen=True, slots=True)
class Sparse:
    """A convolution whose pooled output's derivative is known.

    Attributes
    ----------
    conv : Conv
        Its y is the output before the pool; stride and dilation may be any.
    grad_y : Map
        The derivative by the pooled output; its padding channels hold zeros.
    grad_x : Map
        The derivative by x, for `sparse_grad_input`; any where there is none.
    """

    conv: Conv
    grad_y: ImageLayout
    grad_x: ImageLayout

    @property
    def windows(self) -> int:
        """Windows of the pool."""
        return self.grad_y.height * self.grad_y.width

    @property
    def groups(self) -> int:
        """Groups of windows whose lives are the bits of one integer."""
        return -(-self.windows // BITS)

    @property
    def lives(self) -> int:
        """Integers that say what is alive."""
        return self.groups * self.grad_y.padded_channels

    def place(self, window: Value) -> Value:
        """Return where a window's derivative lies."""
        m = self.grad_y
        if m.row == m.width * m.padded_channels:
            return window * m.padded_channels
        return (window // m.width) * m.row + (window % m.width) * m.padded_channels

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights in memory."""
        return (
            self.conv.y.padded_channels,
            *self.conv.kernel,
            self.conv.x.padded_channels,
        )


def sparse_fits(conv: Conv) -> bool:
    """Return whether to go by what is alive: a patch must be worth looking for it.

    With half of the windows alive, both derivatives take half of the tiles' time for
    patches of 32 numbers, a third for 144 and more; for 8 they take twice.
    """
    numbers = conv.kernel[0] * conv.kernel[1] * conv.x.padded_channels
    return conv.groups == 1 and numbers >= 32


@kernel(grad_y="f32*", codes="i8*", lives="i64*", bias="f32*")
def sparse_lives(
    b: Builder,
    grad_y: Pointer,
    codes: Pointer,
    lives: Pointer,
    bias: Pointer,
    *,
    spec: Sparse,
) -> None:
    """lives[group][o] = in which of 64 windows o is alive; bias += Σ of what is."""
    m, grad_y = spec.grad_y, grad_y + spec.grad_y.at(0, 0)
    lanes = lanes_for(b, m.padded_channels)
    kind = vector_of(I64, lanes)
    with b.loop(m.padded_channels, step=lanes) as o:
        total = b.var((bias + o).vector(lanes=lanes))
        with b.loop(spec.groups) as group:
            bits, bit = b.var(b.const(0, kind)), b.var(b.const(1, kind))
            first = group * BITS
            with b.loop(b.smaller(first + BITS, spec.windows), start=first) as window:
                grad = (grad_y + spec.place(window) + o).vector(lanes=lanes)
                passes = (codes + window * m.padded_channels + o).vector(
                    lanes=lanes
                ) < INACTIVE
                total.add(b.select(passes, grad, 0.0))
                lived = bits.get() | bit.get()
                bits.set(b.select(passes & differs(b, grad), lived, bits.get()))
                bit.set(bit.get() << 1)
            lives.store(bits.get(), group * m.padded_channels + o)
        (bias + o).store(total.get())


@dataclass(frozen=True, slots=True)
class Spot:
    """One vector of a patch: where it lies in x, in the weights, and its lanes."""

    x: int
    w: int
    lanes: int


def spots_of(b: Builder, spec: Sparse, most: int) -> list[list[Spot]]:
    """Cut a patch into vectors, at most so many together."""
    conv, m = spec.conv, spec.conv.x
    (kh, kw), (dy, dx) = conv.kernel, conv.dilation
    pieces = [(u, 0, kw * m.padded_channels) for u in range(kh)]
    if dx > 1:
        pieces = [(u, v, m.padded_channels) for u in range(kh) for v in range(kw)]
    spots = []
    for u, v, length in pieces:
        x, w = (
            u * dy * m.row + v * dx * m.padded_channels,
            (u * kw + v) * m.padded_channels,
        )
        for start, lanes, many in spans(length, b.lanes):
            for k in range(many):
                at = start + k * lanes
                spots.append(Spot(x + at, w + at, lanes))
    passes = -(-len(spots) // most)
    each = -(-len(spots) // passes)
    return [spots[k : k + each] for k in range(0, len(spots), each)]


#: parts of a patch up to which code is written out for each of them
MOST_PARTS = 8


def each_part(
    b: Builder,
    spec: Sparse,
    most: int,
    body: Callable[[list[Spot], Number, Number], None],
) -> None:
    """Call body(spots, offset in x, offset in w) for each part of a patch.

    A part has at most so many vectors. Many parts are gone through in loops: code must
    not grow with the channels or the kernel.
    """
    parts = spots_of(b, spec, most)
    if len(parts) <= MOST_PARTS:
        for spots in parts:
            body(spots, 0, 0)
        return
    conv, padded_channels = spec.conv, spec.conv.x.padded_channels
    (kh, kw), (dy, dx) = conv.kernel, conv.dilation
    columns, length = (1, kw * padded_channels) if dx == 1 else (kw, padded_channels)
    (_, lanes, count), *rest = spans(length, b.lanes)
    with b.loop(kh) as u, b.loop(columns) as v:
        x = u * (dy * conv.x.row) + v * (dx * padded_channels)
        w = (u * kw + v) * padded_channels
        for first, each, times in runs(split(count, most)):
            spots = [Spot(n * lanes, n * lanes, lanes) for n in range(each)]
            with b.loop(times) as k:
                at = (k * each + first) * lanes
                body(spots, x + at, w + at)
        if rest:
            # fewer lanes each time: never more of them than a vector has
            spots = [Spot(at, at, few) for at, few, _ in rest]
            body(spots, x, w)


@kernel(
    x="f32*",
    grad_y="f32*",
    codes="i8*",
    lives="i64*",
    grad_weight="f32*",
    patches="i32*",
)
def sparse_grad_weight(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    codes: Pointer,
    lives: Pointer,
    grad_weight: Pointer,
    patches: Pointer,
    *,
    spec: Sparse,
) -> None:
    """grad_weight[o] += Σ over the windows where o lives: grad_y · their patch of x.

    ``patches`` has room for an integer a window.
    """
    conv, m, size = spec.conv, spec.grad_y, prod(spec.weight_shape[1:])
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    grad_y = grad_y + m.at(0, 0)
    cells = _places(b, spec, patches)
    with b.loop(conv.y.channels) as o:
        w, seen = grad_weight + o * size, codes + o

        def part(spots: list[Spot], in_x: Number, in_w: Number) -> None:
            to = w + in_w
            held = [b.var(to.vector(s.w, lanes=s.lanes)) for s in spots]
            with b.loop(spec.groups) as group:
                bits = lives.load(group * m.padded_channels + o)
                with each_bit(b, bits) as n:
                    window = group * BITS + n
                    cell = b.resize(seen.load(window * m.padded_channels), "i64")
                    patch = x + (patches.load(window) + cells.load(cell)) + in_x
                    value = (grad_y + spec.place(window)).load(o)
                    for spot, total in zip(spots, held, strict=True):
                        part = patch.vector(spot.x, lanes=spot.lanes)
                        total.set(b.fma(b.splat(value, spot.lanes), part, total.get()))
            for spot, total in zip(spots, held, strict=True):
                to.store(total.get(), spot.w)

        each_part(b, spec, b.registers - 4, part)


def _places(b: Builder, spec: Sparse, patches: Pointer) -> Pointer:
    """Write where in x each window's patch begins; return how far on each cell's."""
    conv, m = spec.conv, spec.grad_y
    row, pixel = conv.stride[0] * conv.x.row, conv.stride[1] * conv.x.padded_channels
    cells = b.scratch("i32", len(CELLS))
    with b.loop(m.height) as i, b.loop(m.width) as j:
        place = i * (2 * row) + j * (2 * pixel)
        patches.store(b.resize(place, "i32"), i * m.width + j)
    for cell, (r, c) in enumerate(CELLS):
        cells.store(b.resize(b.i64(r * row + c * pixel), "i32"), cell)
    return cells
