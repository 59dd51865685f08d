"""This file is the weights' exact derivative of a convolution behind a max-pool.

Behind a 2×2 max-pool at most one cell of four receives a derivative, and none where
ReLU gave zero. For each output channel the cells that do are listed: where their patch
of x begins, and the derivative. Nothing is approximated: what is left out is zero.

Weights and their derivative lie output by output, [out][kernel_h][kernel_w][in], so
that a list is worked off with one output's weights in registers.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.kernels.compress import (
    WIDE,
    compress,
    differs,
    population,
)
from pellucid.engines.compiled.kernels.conv import Conv
from pellucid.engines.compiled.kernels.epilogue import DEAD
from pellucid.engines.compiled.kernels.ir import (
    Builder,
    Pointer,
    Value,
    Var,
    kernel,
)
from pellucid.engines.compiled.kernels.layout import Map, padded
from pellucid.engines.compiled.kernels.sweep import spans
from pellucid.engines.compiled.kernels.turn import square


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
    grad_y: Map
    grad_x: Map

    @property
    def windows(self) -> int:
        """Windows of the pool."""
        return self.grad_y.height * self.grad_y.width

    @property
    def stride(self) -> int:
        """Places in a list: all windows, and what a vector writes too much."""
        return padded(self.windows, WIDE) + WIDE

    @property
    def list_size(self) -> int:
        """Numbers in ``offsets`` (i32) and in ``values`` (f32)."""
        return self.grad_y.stored * self.stride

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights in memory."""
        return (self.conv.y.stored, *self.conv.kernel, self.conv.x.stored)


def sparse_fits(conv: Conv) -> bool:
    """Return whether lists are the way: a patch must be worth its place in a list.

    With half of the windows alive, lists and both derivatives take half of the tiles'
    time for patches of 32 numbers, a third for 144 and more; for 8 they take twice.
    """
    numbers = conv.kernel[0] * conv.kernel[1] * conv.x.stored
    return conv.groups == 1 and numbers >= 32


@kernel(
    grad_y="f32*",
    codes="i8*",
    offsets="i32*",
    values="f32*",
    counts="i64*",
    bias="f32*",
)
def sparse_lists(
    b: Builder,
    grad_y: Pointer,
    codes: Pointer,
    offsets: Pointer,
    values: Pointer,
    counts: Pointer,
    bias: Pointer,
    *,
    spec: Sparse,
) -> None:
    """List the cells of each output that receive a derivative.

    offsets, values: [output][stride]; counts: [output]; bias += Σ of the values.
    """
    conv, m = spec.conv, spec.grad_y
    table = b.scratch("i32", padded(spec.windows, WIDE))
    with b.loop(m.height) as i, b.loop(m.width) as j:
        place = i * (2 * conv.stride[0] * conv.x.row)
        place = place + j * (2 * conv.stride[1] * conv.x.stored)
        table.store(b.resize(place, "i32"), i * m.width + j)
    places = (grad_y + m.at(0, 0), codes, offsets, values, counts, bias)
    if b.lanes == WIDE and m.stored % WIDE == 0:
        _list_vectors(b, places, table, spec)
    else:
        _list_numbers(b, places, table, spec)


Places = tuple[Pointer, Pointer, Pointer, Pointer, Pointer, Pointer]


def _cell_step(spec: Sparse, code: Value) -> Value:
    """Return how far a window's cell lies from its first one."""
    conv = spec.conv
    row, pixel = conv.stride[0] * conv.x.row, conv.stride[1] * conv.x.stored
    return (code & 1) * pixel + (code >> 1) * row


def _list_numbers(b: Builder, places: Places, table: Pointer, spec: Sparse) -> None:
    """List number by number: each is written, and stays where it is alive."""
    grad_y, codes, offsets, values, counts, bias = places
    m = spec.grad_y
    with b.loop(m.stored) as o:
        to, kept = offsets + o * spec.stride, values + o * spec.stride
        count, total = b.var(0), b.var(bias.load(o))
        with b.loop(m.height) as i, b.loop(m.width) as j:
            window = i * m.width + j
            code = b.resize((codes + window * m.stored).load(o), "i32")
            value = (grad_y + (i * m.row + j * m.stored)).load(o)
            kept.store(value, count.get())
            to.store(table.load(window) + _cell_step(spec, code), count.get())
            lives = (code < DEAD) & differs(b, value)
            total.add(b.select(lives, value, b.f32(0.0)))
            count.add(b.select(lives, b.i64(1), b.i64(0)))
        counts.store(count.get(), o)
        bias.store(total.get(), o)


def _list_vectors(b: Builder, places: Places, table: Pointer, spec: Sparse) -> None:
    """List 16 windows of 16 outputs at a time: turned, then their gaps closed."""
    grad_y, codes, offsets, values, counts, bias = places
    m, n = spec.grad_y, spec.windows
    with b.loop(m.stored, step=WIDE) as o:
        total = b.var((bias + o).vector())
        for r in range(WIDE):
            counts.store(b.i64(0), o + r)
        with b.loop(n, step=WIDE) as first:
            grads, marks = [], []
            for r in range(WIDE):
                window = b.smaller(first + r, n - 1)
                at = (window // m.width) * m.row + (window % m.width) * m.stored
                grads.append((grad_y + at + o).vector())
                marks.append((codes + window * m.stored + o).vector())
            inside = b.iota() < b.splat(b.resize(n - first, "i32"))
            starts = (table + first).vector()
            for r, (grad, mark) in enumerate(
                zip(square(b, grads), square(b, marks), strict=True)
            ):
                code = b.resize(mark, "i32")
                lives = (code < DEAD) & differs(b, grad) & inside
                total_at, count = (o + r) * spec.stride, counts.load(o + r)
                place = total_at + count
                values.store(compress(b, grad, lives), place)
                offset = starts + _cell_step(spec, code)
                offsets.store(compress(b, offset, lives), place)
                counts.store(count + population(b, lives), o + r)
        _add_bias(b, (grad_y, codes), (total, o), spec)
        (bias + o).store(total.get())


def _add_bias(
    b: Builder, places: tuple[Pointer, Pointer], of: tuple[Var, Value], spec: Sparse
) -> None:
    (grad_y, codes), (total, o), m = places, of, spec.grad_y
    with b.loop(m.height) as i, b.loop(m.width) as j:
        grad = (grad_y + (i * m.row + j * m.stored) + o).vector()
        code = (codes + (i * m.width + j) * m.stored + o).vector()
        total.add(b.select(code < DEAD, grad, 0.0))


# What the lists are for


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
    pieces = [(u, 0, kw * m.stored) for u in range(kh)]
    if dx > 1:
        pieces = [(u, v, m.stored) for u in range(kh) for v in range(kw)]
    spots = []
    for u, v, length in pieces:
        x, w = u * dy * m.row + v * dx * m.stored, (u * kw + v) * m.stored
        for start, lanes, many in spans(length, b.lanes):
            for k in range(many):
                at = start + k * lanes
                spots.append(Spot(x + at, w + at, lanes))
    passes = -(-len(spots) // most)
    each = -(-len(spots) // passes)
    return [spots[k : k + each] for k in range(0, len(spots), each)]


@kernel(x="f32*", offsets="i32*", values="f32*", counts="i64*", grad_weight="f32*")
def sparse_grad_weight(
    b: Builder,
    x: Pointer,
    offsets: Pointer,
    values: Pointer,
    counts: Pointer,
    grad_weight: Pointer,
    *,
    spec: Sparse,
) -> None:
    """grad_weight[o] += Σ over the list of o: value · the patch of x."""
    conv = spec.conv
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    size = conv.kernel[0] * conv.kernel[1] * conv.x.stored
    with b.loop(conv.y.channels) as o:
        w, start = grad_weight + o * size, o * spec.stride
        count = counts.load(o)
        for spots in spots_of(b, spec, b.registers - 4):
            held = [b.var(w.vector(s.w, lanes=s.lanes)) for s in spots]
            with b.loop(count) as n:
                patch = x + offsets.load(start + n)
                value = values.load(start + n)
                for spot, total in zip(spots, held, strict=True):
                    seen = patch.vector(spot.x, lanes=spot.lanes)
                    total.set(b.fma(b.splat(value, spot.lanes), seen, total.get()))
            for spot, total in zip(spots, held, strict=True):
                w.store(total.get(), spot.w)
