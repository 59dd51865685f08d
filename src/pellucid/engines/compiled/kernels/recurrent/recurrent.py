"""Recurrent layers: memory, products with the state, and the forward pass.

The product of the input is a 1×1 convolution's. Here gates are added to it step by
step: a row holds all gates of one step, each of ``padded`` columns, those behind the
units zero. States stand in the order in which they are made, the first one zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    channel_spans,
    clear,
    each_span,
    held,
)
from pellucid.engines.compiled.kernels.elementwise.functions import sigmoid, tanh
from pellucid.engines.compiled.kernels.layout import ImageLayout

Kind = Literal["lstm", "gru after", "gru before", "simple"]
#: recurrent weights, their bias, states and extra
Places = tuple[Pointer, Pointer, Pointer, Pointer]
#: vectors of a row that are summed up in registers at once
BLOCK = 4


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Sizes of a recurrent layer, and how its output (or its gradient) lies.

    ``states`` is (length + 1, padded). ``extra`` is the memory c of an LSTM,
    (length + 1, padded), of a GRU what its reset gate makes, (length, padded).
    """

    kind: Kind
    length: int
    units: int
    padded: int
    gates: int
    y: ImageLayout
    reverse: bool
    return_sequences: bool
    has_bias: bool = False

    @property
    def row(self) -> int:
        """Elements of the gates of one step."""
        return self.gates * self.padded

    @property
    def state_size(self) -> int:
        """Elements of ``states``, and room enough for ``extra``."""
        return (self.length + 1) * self.padded

    def place(self, b: Builder, step: Number) -> Value:
        """Return where in the sequence a step is."""
        s = b.i64(step)
        return (self.length - 1) - s if self.reverse else s


def columns(b: Builder, count: int, body: Callable[[Number, int], None]) -> None:
    """Call body(first, vectors) for blocks of a row's vectors."""
    width = BLOCK * b.lanes
    whole = count // width * width
    if whole:
        with b.loop(whole, step=width) as first:
            body(first, BLOCK)
    if count > whole:
        body(whole, (count - whole) // b.lanes)


def multiply(
    b: Builder,
    spec: Recurrence,
    vector: Pointer,
    matrix: Pointer,
    *,
    count: int,
    start: Callable[[Number], Value],
    to: Pointer,
) -> None:
    """to[c] = start(c) + Σ_k vector[k] · matrix[k][c] for ``count`` columns."""

    def block(first: Number, vectors: int) -> None:
        places = [b.i64(first) + n * b.lanes for n in range(vectors)]
        sums = [b.var(start(place)) for place in places]
        with b.loop(spec.units) as k:
            factor = vector.splat(k)
            row = matrix + k * spec.row
            for place, total in zip(places, sums, strict=True):
                total.set(b.fma(factor, row.vector(place), total.get()))
        for place, total in zip(places, sums, strict=True):
            to.store(total.get(), place)

    columns(b, count, block)


def _lstm(
    b: Builder, spec: Recurrence, step: Value, row: Pointer, places: Places
) -> None:
    """c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c')."""
    recurrent, _, states, extra = places
    p = spec.padded
    h, c = states + step * p, extra + step * p
    multiply(b, spec, h, recurrent, count=spec.row, start=row.vector, to=row)
    with b.loop(p, step=b.lanes) as j:
        i, f, g, o = (row.vector(j + n * p) for n in range(4))
        i, f, g, o = sigmoid(b, i), sigmoid(b, f), tanh(b, g), sigmoid(b, o)
        for n, gate in enumerate((i, f, g, o)):
            row.store(gate, j + n * p)
        memory = b.fma(f, c.vector(j), i * g)
        c.store(memory, j + p)
        h.store(o * tanh(b, memory), j + p)


def _gru_after(
    b: Builder, spec: Recurrence, step: Value, row: Pointer, places: Places
) -> None:
    """h' = n + z·(h − n) with n = tanh(x + r·q); q is kept in ``extra``."""
    recurrent, bias, states, extra = places
    p = spec.padded
    h, q, cut = states + step * p, extra + step * p, 2 * p

    def gate(c: Number) -> Value:
        return row.vector(c) + bias.vector(c) if spec.has_bias else row.vector(c)

    def candidate(c: Number) -> Value:
        return (bias + cut).vector(c) if spec.has_bias else b.zeros()

    multiply(b, spec, h, recurrent, count=cut, start=gate, to=row)
    multiply(b, spec, h, recurrent + cut, count=p, start=candidate, to=q)
    with b.loop(p, step=b.lanes) as j:
        z, r = sigmoid(b, row.vector(j)), sigmoid(b, row.vector(j + p))
        n = tanh(b, b.fma(r, q.vector(j), row.vector(j + cut)))
        for place, value in enumerate((z, r, n)):
            row.store(value, j + place * p)
        h.store(b.fma(z, h.vector(j) - n, n), j + p)


def _gru_before(
    b: Builder, spec: Recurrence, step: Value, row: Pointer, places: Places
) -> None:
    """h' = n + z·(h − n) with n = tanh(x + (r·h)·U); r·h is kept in ``extra``."""
    recurrent, _, states, extra = places
    p = spec.padded
    h, reset, cut = states + step * p, extra + step * p, 2 * p
    multiply(b, spec, h, recurrent, count=cut, start=row.vector, to=row)
    with b.loop(p, step=b.lanes) as j:
        z, r = sigmoid(b, row.vector(j)), sigmoid(b, row.vector(j + p))
        row.store(z, j)
        row.store(r, j + p)
        reset.store(r * h.vector(j), j)
    at = row + cut
    multiply(b, spec, reset, recurrent + cut, count=p, start=at.vector, to=at)
    with b.loop(p, step=b.lanes) as j:
        n, z = tanh(b, at.vector(j)), row.vector(j)
        at.store(n, j)
        h.store(b.fma(z, h.vector(j) - n, n), j + p)


def _simple(
    b: Builder, spec: Recurrence, step: Value, row: Pointer, places: Places
) -> None:
    """h' = tanh(x + h·U)."""
    recurrent, _, states, _ = places
    h = states + step * spec.padded
    multiply(b, spec, h, recurrent, count=spec.row, start=row.vector, to=row)
    with b.loop(spec.padded, step=b.lanes) as j:
        n = tanh(b, row.vector(j))
        row.store(n, j)
        h.store(n, j + spec.padded)


@kernel(
    z="f32*",
    recurrent="f32*",
    bias="f32*",
    states="f32*",
    extra="f32*",
    y="f32*",
)
def recurrent_forward(
    b: Builder,
    z: Pointer,
    recurrent: Pointer,
    bias: Pointer,
    states: Pointer,
    extra: Pointer,
    y: Pointer,
    *,
    spec: Recurrence,
) -> None:
    """Make the gates of z = x·W + b in place, the states, and y from these."""
    p = spec.padded
    clear(b, states, p)
    if spec.kind == "lstm":
        clear(b, extra, p)
    advance = {
        "lstm": _lstm,
        "gru after": _gru_after,
        "gru before": _gru_before,
        "simple": _simple,
    }[spec.kind]
    with b.loop(spec.length) as step:
        row = z + spec.place(b, step) * spec.row
        advance(b, spec, step, row, (recurrent, bias, states, extra))
    cuts = channel_spans(b, spec.units)
    with b.loop(spec.length if spec.return_sequences else 1) as step:
        at = spec.place(b, step) if spec.return_sequences else b.i64(0)
        state = states + ((step if spec.return_sequences else spec.length - 1) + 1) * p
        pixel = y + (at * spec.y.padded_channels + spec.y.at(0, 0))

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            pixel.store(held(b, mask, state.vector(start, lanes=lanes)), start)

        each_span(b, cuts, span)
