"""Weights of a session beside arrays that hold the same elements in another order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from ctypes import c_int64, c_void_p
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pellucid.engines.compiled.codegen import compiler
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels.foreign_order import (
    CHANGED,
    COUNT,
    FIELDS,
    JOBS,
    PIECES,
    TICKET,
    TOGETHER,
)
from pellucid.engines.compiled.program.workers import Pool

Places = npt.NDArray[np.int64]
Move = Literal["take", "give", "add"]

#: elements of a piece, from which it is divided among workers
MOST = 1 << 15
#: elements of all pieces, from which workers are called
SHARED = 1 << 16


@dataclass(frozen=True, slots=True)
class Piece:
    """Elements of an array: columns of contiguous rows.

    ``start`` and ``stride`` count the array's elements, ``offsets`` the vector's, of
    the first column.
    """

    start: int
    rows: int
    columns: int
    stride: int
    offsets: Places

    def divided(self) -> list[Piece]:
        """Return the piece in parts for several workers."""
        size = max(TOGETHER, MOST // self.columns // TOGETHER * TOGETHER)
        return [
            Piece(
                self.start + first,
                min(size, self.rows - first),
                self.columns,
                self.stride,
                self.offsets[first : first + size],
            )
            for first in range(0, self.rows, size)
        ]


def find_pieces(array: Places, vector: Places) -> list[Piece]:
    """Return pieces for elements that lie at places of an array and of a vector."""
    array, vector = array.ravel(), vector.ravel()
    if not array.size:
        return []
    start, stop = int(array.min()), int(array.max()) + 1
    if stop - start == array.size:
        places = np.full(array.size, -1, np.int64)
        places[array - start] = vector
        if places.min() >= 0:  # each place once
            return _matrices(start, places)
    order = np.argsort(array, kind="stable")
    array, vector = array[order], vector[order]
    cuts = np.flatnonzero(np.diff(array) != 1) + 1
    runs = zip(np.split(array, cuts), np.split(vector, cuts), strict=True)
    return [Piece(int(a[0]), len(a), 1, len(a), v.copy()) for a, v in runs]


def _matrices(start: int, places: Places) -> list[Piece]:
    """Return pieces for a contiguous part of an array, whose elements lie at places."""
    size = len(places)
    whole = Piece(start, size, 1, size, places)
    nexts = np.flatnonzero(places == places[0] + 1)
    if not len(nexts):
        return whole.divided()
    stride = int(nexts[0])
    firsts = places[::stride]
    others = np.flatnonzero(firsts != places[0] + np.arange(len(firsts)))
    columns = int(others[0]) if len(others) else len(firsts)
    if stride < 1 or size % (columns * stride) or columns * stride < TOGETHER:
        return whole.divided()
    matrices = places.reshape(-1, columns, stride)
    if not np.array_equal(matrices, matrices[:, :1] + np.arange(columns)[:, None]):
        return whole.divided()
    found = []
    for i, matrix in enumerate(matrices):
        at = start + i * columns * stride
        piece = Piece(at, stride, columns, stride, matrix[0].copy())
        found += piece.divided()
    return found


def places_in(view: Any, vector: Any) -> Places:
    """Return where the elements of a view of a vector lie in it."""
    places = np.asarray((view.ctypes.data - vector.ctypes.data) // 4, np.int64)
    for size, stride in zip(view.shape, view.strides, strict=True):
        places = places[..., None] + np.arange(size) * (stride // 4)
    return places


class ForeignOrder:
    """Arrays beside a vector that holds their elements in another order.

    Parameters
    ----------
    pieces : sequence of sequence of Piece
        Of each array.
    target : Target
    pool : Pool
    """

    def __init__(
        self, pieces: Sequence[Sequence[Piece]], target: Target, pool: Pool
    ) -> None:
        self._target, self._pool = target, pool
        flat = [(i, piece) for i, found in enumerate(pieces) for piece in found]
        self._offsets = [piece.offsets for _, piece in flat]  # code reads them
        self._array = np.array([i for i, _ in flat], np.int64)
        self._start = np.array([4 * piece.start for _, piece in flat], np.int64)
        size = sum(piece.rows * piece.columns for _, piece in flat)
        self._is_shared = pool.count > 1 and size > SHARED
        self._context = np.zeros(PIECES + FIELDS * len(flat), np.int64)
        self._context[COUNT] = len(flat)
        self._pieces = self._context[PIECES:].reshape(-1, FIELDS)
        for row, (_, piece) in zip(self._pieces, flat, strict=True):
            sizes = piece.rows, piece.columns, piece.stride
            row[2:6] = *sizes, piece.offsets.ctypes.data
        self._address = self._context.ctypes.data

    def move(self, how: Move, vector: Any, arrays: Sequence[int]) -> bool:
        """Copy between a vector and arrays at addresses; one thread at a time.

        Returns
        -------
        bool
            Whether ``take`` changed the vector.
        """
        if not len(self._array):
            return False
        function, address = _job(self._target, how)
        self._pieces[:, 0] = np.array(arrays, np.int64)[self._array] + self._start
        self._pieces[:, 1] = vector.ctypes.data
        self._context[TICKET] = self._context[CHANGED] = 0
        if self._is_shared:
            self._pool.run(address, self._address)
        else:
            function(self._address, 0)
        return bool(self._context[CHANGED])


@functools.lru_cache
def _job(target: Target, how: Move) -> tuple[Callable[..., None], int]:
    """Return a job as a function for Python, and its address."""
    unit = compiler.new_module(target)
    unit.define(how, JOBS[how], None)
    library = compiler.load(unit, target, what="copies of weights")
    return library.function(how, c_void_p, c_int64), library.address(how)
