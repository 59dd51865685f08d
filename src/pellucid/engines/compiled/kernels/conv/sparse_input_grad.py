"""Sparse gradient with respect to the input, behind a max-pool.

Cell by cell of the convolution's output, the output channels that receive a derivative
there are listed. A cell's patch of the derivative stays in registers while its list is
worked off, a part of the patch at a time: so many vectors that the weights of all
outputs for that part lie in the first cache.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.conv.sparse_weight_grad import (
    Sparse,
    Spot,
    each_part,
)
from pellucid.engines.compiled.kernels.conv.vector_compress import (
    WIDE,
    compress,
    differs,
    population,
)
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    each_span,
    spans,
)
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.pool.pool_epilogue import INACTIVE

#: bytes of weights that are used together
CACHE_BYTES = 24 * 1024


def input_scratch_size(spec: Sparse) -> int:
    """Return how many numbers of scratch `sparse_grad_input` needs."""
    cells = 5 * spec.windows
    return 2 * cells * (spec.grad_y.padded_channels + WIDE) + 2 * padded(cells, WIDE)


@kernel(grad_y="f32*", codes="i8*", w="f32*", grad_x="f32*", scratch="f32*")
def sparse_grad_input(
    b: Builder,
    grad_y: Pointer,
    codes: Pointer,
    w: Pointer,
    grad_x: Pointer,
    scratch: Pointer,
    *,
    spec: Sparse,
) -> None:
    """grad_x = Σ over the cells: their patch += value · w[o] for each o of the list.

    grad_x has sides as wide as patches reach; what is left there has no meaning.
    """
    m, g = spec.grad_x, spec.grad_y
    cells, lists = 5 * spec.windows, 5 * spec.windows * (g.padded_channels + WIDE)
    begins = scratch.cast("i32")
    ends, rows = begins + padded(cells, WIDE), begins + 2 * padded(cells, WIDE)
    places = (begins, ends, rows, scratch + 2 * padded(cells, WIDE) + lists)
    source = (grad_y + g.at(0, 0), codes)
    if b.lanes == WIDE and g.padded_channels % WIDE == 0:
        _list_vectors(b, source, places, spec)
    else:
        _list_numbers(b, source, places, spec)
    for start, lanes, many in spans(m.size, b.lanes):
        with b.loop(many) as k:
            grad_x.store(b.zeros(lanes), k * lanes + start)
    _add_cells(b, places, (w, grad_x), spec)


Places = tuple[Pointer, Pointer, Pointer, Pointer]


def _row_size(spec: Sparse) -> int:
    """Return how many numbers one output's weights take."""
    conv = spec.conv
    return conv.kernel[0] * conv.kernel[1] * conv.x.padded_channels


def _list_vectors(
    b: Builder, source: tuple[Pointer, Pointer], places: Places, spec: Sparse
) -> None:
    """List 16 outputs of a cell at a time, one list behind the other."""
    (grad_y, codes), (begins, ends, rows, values) = source, places
    m, count = spec.grad_y, b.var(0)
    with b.loop(m.height) as i, b.loop(m.width) as j:
        window = i * m.width + j
        grad, code = (
            grad_y + (i * m.row + j * m.padded_channels),
            codes + window * m.padded_channels,
        )
        for cell in range(4):
            begins.store(b.resize(count.get(), "i32"), window * 4 + cell)

            def outputs(
                o: Number,
                lanes: int,
                mask: Value | None,
                places: tuple[Pointer, Pointer] = (grad, code),
                cell: int = cell,
            ) -> None:
                del lanes, mask  # stored outputs fill whole vectors
                value = places[0].vector(o)
                marks = b.resize(places[1].vector(o), "i32")
                lives = marks.equals(cell) & differs(b, value)
                first = b.resize(o, "i32") if isinstance(o, Value) else o
                row = (b.iota() + first) * _row_size(spec)
                values.store(compress(b, value, lives), count.get())
                rows.store(compress(b, row, lives), count.get())
                count.add(population(b, lives))

            each_span(
                b, [(o, WIDE, None) for o in range(0, m.padded_channels, WIDE)], outputs
            )
            ends.store(b.resize(count.get(), "i32"), window * 4 + cell)


def _list_numbers(
    b: Builder, source: tuple[Pointer, Pointer], places: Places, spec: Sparse
) -> None:
    """List number by number; dead ones go to a fifth list that nobody reads."""
    (grad_y, codes), (begins, ends, rows, values) = source, places
    m = spec.grad_y
    counts = b.scratch("i64", 8)
    with b.loop(m.height) as i, b.loop(m.width) as j:
        window = i * m.width + j
        first = window * (5 * m.padded_channels)
        for cell in range(4):
            counts.store(first + cell * m.padded_channels, cell)
            begins.store(
                b.resize(first + cell * m.padded_channels, "i32"), window * 4 + cell
            )
        grad, code = (
            grad_y + (i * m.row + j * m.padded_channels),
            codes + window * m.padded_channels,
        )
        with b.loop(m.padded_channels) as o:
            value, mark = grad.load(o), b.resize(code.load(o), "i64")
            lives = (mark < INACTIVE) & differs(b, value)
            mark = b.select(lives, mark, b.i64(INACTIVE))
            counts.store(first + INACTIVE * m.padded_channels, INACTIVE)
            place = counts.load(mark)
            values.store(value, place)
            rows.store(b.resize(o * _row_size(spec), "i32"), place)
            counts.store(place + 1, mark)
        for cell in range(4):
            ends.store(b.resize(counts.load(cell), "i32"), window * 4 + cell)


def _add_cells(
    b: Builder, places: Places, of: tuple[Pointer, Pointer], spec: Sparse
) -> None:
    begins, ends, rows, values = places
    (w, grad_x), conv, m, g = of, spec.conv, spec.grad_x, spec.grad_y
    to = grad_x + m.at(-conv.top_left[0], -conv.top_left[1])
    fitting = CACHE_BYTES // (4 * b.lanes * conv.y.channels)

    def part(spots: list[Spot], in_x: Number, in_w: Number) -> None:
        place, weights = to + in_x, w + in_w
        with b.loop(g.height) as i, b.loop(g.width) as j:
            for cell in range(4):
                patch = place + _corner(spec, i * 2 + (cell >> 1), j * 2 + (cell & 1))
                at = (i * g.width + j) * 4 + cell
                held = [b.var(patch.vector(s.x, lanes=s.lanes)) for s in spots]
                first, last = b.i64(begins.load(at)), b.i64(ends.load(at))
                with b.loop(last, start=first) as n:
                    value, row = values.load(n), weights + rows.load(n)
                    for spot, total in zip(spots, held, strict=True):
                        weight = row.vector(spot.w, lanes=spot.lanes)
                        spread = b.splat(value, spot.lanes)
                        total.set(b.fma(spread, weight, total.get()))
                for spot, total in zip(spots, held, strict=True):
                    patch.store(total.get(), spot.x)

    each_part(b, spec, max(min(fitting, b.registers - 4), 4), part)


def _corner(spec: Sparse, row: Value, column: Value) -> Value:
    """Return where the patch of one of the convolution's outputs begins."""
    (sy, sx), m = spec.conv.stride, spec.grad_x
    return row * (sy * m.row) + column * (sx * m.padded_channels)
