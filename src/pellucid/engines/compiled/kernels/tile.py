"""Register tile: the loop nest of all matrix products.

A tile holds ``rows × vectors`` accumulators in registers. For each step of its loops
it loads ``vectors`` vectors of b, spreads one number of a for each row, and does
``rows · vectors`` multiply-adds:

    acc[r, v] += a[r · row_step + Σ i · a_step] · b[v · lanes + Σ i · b_step]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value

#: which units of its work a kernel makes: from, to
Part = tuple[Value, Value]


@dataclass(frozen=True, slots=True)
class Axis:
    """One loop of a tile: how often, and how far each operand moves."""

    count: Number
    a_step: Number
    b_step: Number


def tile(
    b: Builder,
    a: Pointer,
    w: Pointer,
    *,
    rows: Sequence[int],
    vectors: int,
    axes: Sequence[Axis],
    lanes: int,
    start: Sequence[Sequence[Value]] | None = None,
    spread: Callable[[Pointer], Any] | None = None,
    taken: Callable[[Value], Any] = lambda value: value,
    multiply_add: Callable[[Any, Any, Value], Value] | None = None,
    ask: Callable[[Value, int], None] | None = None,
) -> list[list[Value]]:
    """Return the accumulators [row][vector].

    Parameters
    ----------
    rows : sequence of int
        Offset in a of each row.
    axes : sequence of Axis
        Loops, the innermost last.
    start : optional
        What the accumulators begin with; zeros where it is left out.
    spread : optional
        How a vector is made from a row's place in a; one number in every lane where it
        is left out.
    taken : optional
        What is done with a loaded vector of b.
    multiply_add : optional
        Adds the product of what ``spread`` and ``taken`` made to an accumulator; that
        of floats where it is left out.
    ask : optional
        Asks for memory that comes later, given the innermost loop's step and how many
        of them are written out.
    """
    held = [
        [b.var(start[r][v] if start else b.zeros(lanes)) for v in range(vectors)]
        for r in range(len(rows))
    ]
    add = multiply_add or b.fma
    live = [
        axis for axis in axes if not (isinstance(axis.count, int) and axis.count == 1)
    ]
    inner = live[-1] if live else None
    unroll = _unroll(inner, len(rows) * vectors)
    with ExitStack() as nest:
        pa, pw = a, w
        i = None
        for axis in live:
            step = unroll if axis is inner else 1
            i = nest.enter_context(b.loop(axis.count, step=step))
            pa, pw = pa + i * axis.a_step, pw + i * axis.b_step
        if ask is not None and i is not None:
            ask(i, unroll)
        for u in range(unroll):
            qa, qw = pa, pw
            if inner is not None and u:
                qa, qw = pa + _times(inner.a_step, u), pw + _times(inner.b_step, u)
            loaded = [taken(qw.vector(v * lanes, lanes=lanes)) for v in range(vectors)]
            for r, offset in enumerate(rows):
                x = spread(qa + offset) if spread else qa.splat(offset, lanes=lanes)
                for v in range(vectors):
                    held[r][v].set(add(x, loaded[v], held[r][v].get()))
    return [[one.get() for one in row] for row in held]


def _times(step: Number, n: int) -> Number:
    return step * n


def _unroll(inner: Axis | None, work: int) -> int:
    """Return how many steps are written out, so that small tiles loop less."""
    if inner is None or not isinstance(inner.count, int):
        return 1
    fitting = [u for u in (4, 3, 2) if inner.count % u == 0 and u * work <= 32]
    return fitting[0] if fitting else 1


def split(count: int, most: int) -> list[tuple[int, int]]:
    """Cut a length into nearly equal pieces: [(start, length)], none above ``most``.

    Examples
    --------
    >>> split(13, 7)
    [(0, 7), (7, 6)]
    """
    pieces = -(-count // most)
    small, extra = divmod(count, pieces)
    cuts, start = [], 0
    for i in range(pieces):
        length = small + (i < extra)
        cuts.append((start, length))
        start += length
    return cuts


def runs(cuts: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Join pieces of one length: [(start, length, how many)]."""
    joined: list[tuple[int, int, int]] = []
    for start, length in cuts:
        if joined and joined[-1][1] == length:
            first, _, many = joined[-1]
            joined[-1] = (first, length, many + 1)
        else:
            joined.append((start, length, 1))
    return joined


def part_runs(
    b: Builder, cuts: Sequence[tuple[int, int]], part: Part | None
) -> Iterator[tuple[Value, int]]:
    """Yield (start, length) of each piece by loops: of all, or of those in a part."""
    done = 0
    for first, length, many in runs(cuts):
        begin: Number = 0
        end: Number = many
        if part:
            begin = b.larger(part[0] - done, 0)
            end = b.smaller(part[1] - done, many)
        with b.loop(end, start=begin) as n:
            yield n * length + first, length
        done += many


def tile_shape(b: Builder, vectors: int, rows: int) -> tuple[int, int]:
    """Return (rows, vectors) of the tile for so much work: what stays in registers."""
    room = b.registers - 2
    best, score = (1, 1), 0.0
    for v in range(1, min(vectors, 4) + 1):
        r = min((room - v) // v, rows, 14 if v > 1 else 28)
        if r < 1:
            continue
        pieces = -(-rows // r)
        waste = pieces * -(-vectors // v)  # how many tiles run
        # loads per multiply-add: spreading counts half, memory operands are cheap
        value = 1.0 / (
            waste * (-(-rows // pieces) * v + v + 0.35 * (-(-rows // pieces)))
        )
        if r * v < 8 and rows * vectors >= 8:
            value *= 0.6  # too few to hide the latency of a multiply-add
        if value > score:
            best, score = (-(-rows // pieces), v), value
    return best


def lanes_for(b: Builder, channels: int) -> int:
    """Return the widest vector that divides a number of channels."""
    return lanes_within(channels, b.lanes)


def lanes_within(channels: int, most: int) -> int:
    """Return the widest vector of at most so many lanes that divides the channels."""
    lanes = most
    while channels % lanes:
        lanes //= 2
    return max(lanes, 1)
