"""Matrix-vector product that skips zero inputs, for one image.

One image reads all weights once, so memory sets the pace. Behind ReLU about half of the
inputs are zero, and a row of weights that meets zero need not be read: if all weights
are finite its share is zero. Where they are not, zero times infinity is NaN, and every
row is read.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.conv.vector_compress import (
    WIDE,
    compress,
    differs,
    population,
)
from pellucid.engines.compiled.kernels.dense.dense import Dense
from pellucid.engines.compiled.kernels.elementwise.activation import apply
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.tile import Part, lanes_for, part_runs, split

#: vectors of outputs that are summed together
VECTORS = 8


def gemv_scratch_size(spec: Dense) -> int:
    """Return how many numbers of scratch `gemv_forward` needs."""
    return 2 * (padded(spec.inputs, WIDE) + WIDE)


def gemv_blocks(spec: Dense, lanes: int) -> int:
    """Return how many blocks of outputs `gemv_forward` makes one after the other."""
    while spec.outputs % lanes:
        lanes //= 2
    return -(-spec.outputs // lanes // VECTORS)


@kernel(w="f32*", flag="i64*")
def all_finite(b: Builder, w: Pointer, flag: Pointer, *, spec: int) -> None:
    """flag = 1 if every one of ``spec`` numbers is finite, else 0."""
    total = b.var(0.0)
    for start, lanes, many in spans(spec, b.lanes):
        part = b.var(b.zeros(lanes))
        with b.loop(many) as k:
            part.add(w.vector(k * lanes + start, lanes=lanes) * 0.0)
        total.add(b.total(part.get()) if lanes > 1 else part.get()[0])
    flag.store(b.select(total.get().equals(0.0), b.i64(1), b.i64(0)))


@kernel(x="f32*", w="f32*", bias="f32*", y="f32*", flag="i64*", scratch="f32*")
def gemv_forward(
    b: Builder,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    flag: Pointer,
    scratch: Pointer,
    *,
    spec: Dense,
    part: Part | None = None,
) -> None:
    """y = f(bias + Σ x[k] · w[k]) over the inputs that count; flag: `all_finite`'s.

    A part is some of `gemv_blocks`.
    """
    rows, values = scratch.cast("i32"), scratch + gemv_scratch_size(spec) // 2
    count = _list(b, x, (rows, values), flag.load().equals(0), spec)
    lanes = lanes_for(b, spec.outputs)
    for first, width in part_runs(b, split(spec.outputs // lanes, VECTORS), part):
        o = first * lanes
        sums = [
            b.var(
                bias.vector(o + v * lanes, lanes=lanes)
                if spec.has_bias
                else b.zeros(lanes)
            )
            for v in range(width)
        ]
        with b.loop(count) as n:
            value, row = b.splat(values.load(n), lanes), w + rows.load(n) + o
            for v, total in enumerate(sums):
                weight = row.vector(v * lanes, lanes=lanes)
                total.set(b.fma(value, weight, total.get()))
        for v, total in enumerate(sums):
            y.store(apply(b, spec.function, total.get()), o + v * lanes)


def _list(
    b: Builder, x: Pointer, to: tuple[Pointer, Pointer], takes_all: Value, spec: Dense
) -> Value:
    """List where the rows of weights begin that count, and what they meet."""
    (rows, values), count = to, b.var(0)
    whole = spec.inputs // WIDE if b.lanes == WIDE else 0
    if whole:
        with b.loop(whole) as i:
            value = x.vector(i * WIDE)
            counts = differs(b, value) | b.splat(takes_all)
            row = (b.iota() + b.resize(i * WIDE, "i32")) * spec.outputs
            values.store(compress(b, value, counts), count.get())
            rows.store(compress(b, row, counts), count.get())
            count.add(population(b, counts))
    with b.loop(spec.inputs, start=whole * WIDE) as k:
        one = x.load(k)
        values.store(one, count.get())
        rows.store(b.resize(k * spec.outputs, "i32"), count.get())
        count.add(b.select(differs(b, one) | takes_all, b.i64(1), b.i64(0)))
    return count.get()
