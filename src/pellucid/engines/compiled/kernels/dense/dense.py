"""Fully connected layer: forward and backward pass.

Rows are images, whose vectors lie ``x_stride`` and ``y_stride`` floats apart; weights
are [inputs][outputs], both padded to whole vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.activation import Function, apply
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import clear
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    lanes_for,
    runs,
    split,
    tile,
    tile_shape,
)
from pellucid.engines.compiled.kernels.transpose import square

#: bytes of weights that one pass over the images keeps in the first cache
BLOCK_BYTES = 28 * 1024
#: outputs up to which two vectors of images go back together
PAIRED_OUTPUTS = 2048


@dataclass(frozen=True, slots=True)
class Dense:
    """y = f(x · w + bias): numbers per row (as they lie) and strides.

    ``part`` is how many outputs a call of the forward pass makes, if not all: those
    that weights, bias and y point at.
    """

    inputs: int
    outputs: int
    x_stride: int
    y_stride: int
    has_bias: bool = True
    function: Function | None = None
    accumulate: bool = False
    part: int = 0

    @property
    def made(self) -> int:
        """Outputs that a call of the forward pass makes."""
        return self.part or self.outputs


@kernel(x="f32*", w="f32*", bias="f32*", y="f32*", images="n")
def dense_forward(
    b: Builder,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    images: Value,
    *,
    spec: Dense,
) -> None:
    """y[m] = f(bias + Σ x[m, k] · w[k]) for each of the images."""
    n, lanes = spec.made, lanes_for(b, spec.made)
    with b.loop(images) as m, b.loop(n // lanes) as v:
        start = bias.vector(v * lanes, lanes=lanes) if spec.has_bias else b.zeros(lanes)
        (y + m * spec.y_stride).store(start, v * lanes)
    most = max(56, BLOCK_BYTES // (4 * n))
    for k, depth, many in runs(split(spec.inputs, most)):
        with b.loop(many) as block:
            at = block * depth + k
            _forward_block(b, (x + at, w + at * spec.outputs, y), images, depth, spec)
    if spec.function is not None:
        with b.loop(images) as m, b.loop(n // lanes) as v:
            place = y + (m * spec.y_stride + v * lanes)
            place.store(apply(b, spec.function, place.vector(lanes=lanes)))


def _forward_block(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    images: Value,
    depth: int,
    spec: Dense,
) -> None:
    x, w, y = places
    n, lanes = spec.made, lanes_for(b, spec.made)
    most, width = tile_shape(b, n // lanes, 8)
    for v, vectors, many in runs(split(n // lanes, width)):
        with b.loop(many) as block:
            column = (block * vectors + v) * lanes
            done, rows = b.i64(0), most
            while rows:
                whole = images - (images - done) % rows
                with b.loop(whole, start=done, step=rows) as m:
                    to = y + (m * spec.y_stride + column)
                    start = [
                        [
                            to.vector(r * spec.y_stride + c * lanes, lanes=lanes)
                            for c in range(vectors)
                        ]
                        for r in range(rows)
                    ]
                    sums = tile(
                        b,
                        x + m * spec.x_stride,
                        w + column,
                        rows=[r * spec.x_stride for r in range(rows)],
                        vectors=vectors,
                        axes=[Axis(depth, 1, spec.outputs)],
                        lanes=lanes,
                        start=start,
                    )
                    for r, row in enumerate(sums):
                        for c, value in enumerate(row):
                            to.store(value, r * spec.y_stride + c * lanes)
                done, rows = whole, rows // 2


def grad_input_scratch_size(spec: Dense, lanes: int) -> int:
    """Return how many elements of scratch `dense_grad_input` needs."""
    vectors = 2 if spec.outputs <= PAIRED_OUTPUTS else 1
    return vectors * lanes * (spec.outputs + min(lanes, spec.inputs))


@kernel(grad_y="f32*", w="f32*", grad_x="f32*", scratch="f32*", images="n")
def dense_grad_input(
    b: Builder,
    grad_y: Pointer,
    w: Pointer,
    grad_x: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: Dense,
) -> None:
    """grad_x[m, k] = or += Σ grad_y[m, n] · w[k, n]; lanes are images.

    ``scratch`` has room for `grad_input_scratch_size` elements.
    """
    done, places = b.i64(0), (grad_y, w, grad_x, scratch)
    if spec.outputs <= PAIRED_OUTPUTS:
        done = images - images % (2 * b.lanes)
        with b.loop(done, step=2 * b.lanes) as m:
            _grad_input_block(b, places, (m, b.i64(2 * b.lanes), 2), spec)
    with b.loop(images, start=done, step=b.lanes) as m:
        left = b.smaller(images - m, b.lanes)
        _grad_input_block(b, places, (m, left, 1), spec)


def _grad_input_block(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    which: tuple[Value, Value, int],
    spec: Dense,
) -> None:
    """Make the derivative of images m … m + left, which fill so many vectors."""
    (grad_y, w, grad_x, turned), (m, left, vectors) = places, which
    lanes, n, block = b.lanes, spec.outputs, min(b.lanes, spec.inputs)
    size = vectors * lanes
    made = turned + n * size
    clear(b, turned, n * size)
    with b.loop(left) as r, b.loop(n) as c:
        turned.store((grad_y + (m + r) * spec.y_stride).load(c), c * size + r)
    most = (b.registers - 2 - vectors) // vectors
    with b.loop(spec.inputs // block) as q:
        k = q * block
        for first, count in split(block, most):
            sums = tile(
                b,
                w + (k + first) * n,
                turned,
                rows=[r * n for r in range(count)],
                vectors=vectors,
                axes=[Axis(n, 1, size)],
                lanes=lanes,
            )
            for i, row in enumerate(sums):
                for v, value in enumerate(row):
                    made.store(value, (first + i) * size + v * lanes)
        for v in range(vectors):
            held = [made.vector(i * size + v * lanes) for i in range(block)]
            for image, column in enumerate(transposed(b, held), v * lanes):
                with b.when(left > image):
                    place = grad_x + ((m + image) * spec.x_stride + k)
                    if spec.accumulate:
                        column = column + place.vector(lanes=block)
                    place.store(column)


def transposed(b: Builder, rows: list[Value]) -> list[Value]:
    """Return the columns of a matrix of at most as many rows as lanes."""
    lanes, count = rows[0].type.count, len(rows)
    if count == lanes:
        return square(b, rows)
    padding = [b.zeros(lanes)] * (lanes - count)
    whole = square(b, [*rows, *padding])
    return [b.shuffle(v, v, list(range(count))) for v in whole]


@dataclass(frozen=True, slots=True)
class Rows:
    """So many rows of the weights' derivative, made at once."""

    dense: Dense
    rows: int


@kernel(x="f32*", grad_y="f32*", grad="f32*", images="n")
def dense_grad_weight(
    b: Builder, x: Pointer, grad_y: Pointer, grad: Pointer, images: Value, *, spec: Rows
) -> None:
    """grad[k, n] = Σ over images x[m, k] · grad_y[m, n]; x points at the first row."""
    dense = spec.dense
    n, lanes = dense.outputs, lanes_for(b, dense.outputs)
    rows, width = tile_shape(b, n // lanes, spec.rows)
    for k, length, times in runs(split(spec.rows, rows)):
        for v, vectors, many in runs(split(n // lanes, width)):
            with b.loop(times) as i, b.loop(many) as block:
                row, column = i * length + k, (block * vectors + v) * lanes
                sums = tile(
                    b,
                    x + row,
                    grad_y + column,
                    rows=list(range(length)),
                    vectors=vectors,
                    axes=[Axis(images, dense.x_stride, dense.y_stride)],
                    lanes=lanes,
                )
                for r, found in enumerate(sums):
                    for c, value in enumerate(found):
                        grad.store(value, (row + r) * n + column + c * lanes)


@kernel(grad_y="f32*", grad="f32*", images="n")
def dense_grad_bias(
    b: Builder, grad_y: Pointer, grad: Pointer, images: Value, *, spec: Dense
) -> None:
    """grad[n] = Σ over images grad_y[m, n]."""
    lanes = lanes_for(b, spec.outputs)
    with b.loop(spec.outputs // lanes) as v:
        total = b.var(b.zeros(lanes))
        with b.loop(images) as m:
            total.add((grad_y + m * spec.y_stride).vector(v * lanes, lanes=lanes))
        grad.store(total.get(), v * lanes)
