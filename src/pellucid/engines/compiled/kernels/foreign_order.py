"""Copies between a session's vector and arrays of another order, block by block.

Jobs of the workers, who take one piece after the other. A piece is a matrix: in the
array its rows lie side by side and its columns ``stride`` apart; in the vector its
columns lie side by side and each row where ``offsets`` says. Blocks are transposed in
registers, so that both are read and written in whole lines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

from pellucid.engines.compiled.codegen import (
    I32,
    I64,
    PTR,
    Builder,
    Kernel,
    Pointer,
    Value,
    Var,
)
from pellucid.engines.compiled.codegen.types import ELEMENTS, vector_of
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.kernels.transpose import square

#: the context's slots: pieces taken so far, pieces that changed the vector, all pieces
TICKET, CHANGED, COUNT, PIECES = 0, 8, 9, 16
#: slots of a piece: array, vector, rows, columns, stride, offsets
FIELDS = 8
#: rows that go together: their lines of array and vector stay in the cache
TOGETHER = 64


class Piece(NamedTuple):
    """A piece as the code sees it, and bits that are set where the vector differed."""

    array: Pointer
    vector: Pointer
    rows: Value
    columns: Value
    stride: Value
    offsets: Pointer
    lanes_differ: Var
    differs: Var

    def in_array(self, row: Value, column: Value) -> Pointer:
        """Return where an element lies in the array."""
        return self.array + (column * self.stride + row)

    def in_vector(self, row: Value, column: Value) -> Pointer:
        """Return where an element lies in the vector."""
        return self.vector + (self.offsets.load(row) + column)


def _take_block(b: Builder, piece: Piece, row: Value, column: Value) -> None:
    lines = [piece.in_array(row, column + i).vector() for i in range(b.lanes)]
    for i, line in enumerate(square(b, lines)):
        place = piece.in_vector(row + i, column)
        changed = piece.lanes_differ.get() | (place.vector() ^ line)
        piece.lanes_differ.set(changed)
        place.store(line)


def _take_one(b: Builder, piece: Piece, row: Value, column: Value) -> None:
    del b
    value, place = piece.in_array(row, column).load(), piece.in_vector(row, column)
    piece.differs.set(piece.differs.get() | (place.load() ^ value))
    place.store(value)


def _give_block(b: Builder, piece: Piece, row: Value, column: Value) -> None:
    rows = [piece.in_vector(row + i, column).vector() for i in range(b.lanes)]
    for i, line in enumerate(square(b, rows)):
        piece.in_array(row, column + i).store(line)


def _give_one(b: Builder, piece: Piece, row: Value, column: Value) -> None:
    del b
    piece.in_array(row, column).store(piece.in_vector(row, column).load())


def _add_block(b: Builder, piece: Piece, row: Value, column: Value) -> None:
    rows = [piece.in_vector(row + i, column).vector() for i in range(b.lanes)]
    for i, line in enumerate(square(b, rows)):
        place = piece.in_array(row, column + i)
        place.store(place.vector() + line)


def _add_one(b: Builder, piece: Piece, row: Value, column: Value) -> None:
    del b
    place = piece.in_array(row, column)
    place.store(place.load() + piece.in_vector(row, column).load())


#: writes the code that moves elements of a piece from a row and column on
Move = Callable[[Builder, Piece, Value, Value], None]


def _job(name: str, element: str, block: Move, one: Move) -> Kernel:
    """Return the job that moves all pieces: by blocks, what remains one by one."""

    def write(b: Builder, context: Pointer, worker: Value, *, spec: None) -> None:
        del worker, spec
        none = b.const(0, I32), b.const(0, vector_of(I32, b.lanes))
        differs, lanes_differ = map(b.var, none)
        with b.loop_until() as leave:
            ticket = threads.atomic_add(b, context + TICKET, 1)
            leave(ticket >= (context + COUNT).load())
            place = context + (ticket * FIELDS + PIECES)
            array, vector = (_pointer(b, place.load(n), element) for n in (0, 1))
            rows, columns, stride = (place.load(n) for n in (2, 3, 4))
            offsets = _pointer(b, place.load(5), "i64")
            bits = lanes_differ, differs
            piece = Piece(array, vector, rows, columns, stride, offsets, *bits)
            _move(b, piece, block, one)
        lanes = lanes_differ.get()
        any_bits = reduce(Value.__or__, map(lanes.__getitem__, range(b.lanes)))
        with b.when(none[0].unsigned_below(any_bits | differs.get())):
            threads.atomic_add(b, context + CHANGED, 1)

    parameters = ("context", "i64*"), ("worker", "n")
    return Kernel(name, parameters, write, is_written_out=True)


def _pointer(b: Builder, address: Value, element: str) -> Pointer:
    return Pointer(b, b.ir.inttoptr(address.v, PTR), ELEMENTS[element])


def _move(b: Builder, piece: Piece, block: Move, one: Move) -> None:
    n = b.lanes
    rows, columns = (size - size % n for size in (piece.rows, piece.columns))
    with b.loop(rows, step=TOGETHER) as first:
        last = b.smaller(first + TOGETHER, rows)
        with b.loop(columns, step=n) as column, b.loop(last, start=first, step=n) as r:
            block(b, piece, r, column)
    with b.loop(piece.rows) as row:
        start = b.select(row < rows, columns, b.const(0, I64))
        with b.loop(piece.columns, start=start) as column:
            one(b, piece, row, column)


#: from arrays to the vector; from the vector to arrays; the same, added
JOBS = {
    "take": _job("take", "i32", _take_block, _take_one),
    "give": _job("give", "i32", _give_block, _give_one),
    "add": _job("add", "f32", _add_block, _add_one),
}
