"""Matrix products on AMX tiles.

One instruction adds the product of a tile [16 × 32] and a tile [32 × 16] of bfloat16,
numbers of 8 significant bits, to a tile [16 × 16] of float32, every 16 cycles. A
float32 has 24 significant bits and is the sum of three such numbers exactly:

    x = high + middle + low,   |middle| ≤ 2⁻⁸ |x|,   |low| ≤ 2⁻¹⁶ |x|.

Of the nine products of x and y the six largest are made. What is left out is at most
2⁻²³ |x y| and has either sign; on average it is less than rounding x y to float32
costs. Six products on tiles take a third of the time that one takes on vectors.

Where bfloat16 is asked for, a number has one part, itself rounded to 8 significant bits
(to nearest, ties to even, by the processor's own instruction), and one product is made.
Infinities and NaN stay what they are; what is denormal counts as zero.

References
----------
Henry, Tang and Heinecke 2019, Leveraging the bfloat16 Artificial Intelligence Datatype
For Higher-Precision Computations, sections III and IV.
Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from llvmlite import ir

from pellucid.engines.compiled.codegen import (
    I8,
    I16,
    I32,
    I64,
    PTR,
    VOID,
    Builder,
    Number,
    Pointer,
    Value,
    vector_of,
)
from pellucid.engines.compiled.kernels.tile import runs, split

#: rows and columns of a tile of sums
EDGE = 16
#: numbers along which one instruction sums
DEPTH = 32
#: parts of a number, the largest first, that are as exact as float32
PARTS = 3
#: the upper half of a 32-bit word, and half of that half's last place
UPPER, HALF = -(1 << 16), 1 << 15
#: 32-bit words of a tile
WORDS = 256
#: by the number of parts: (part of the left, part of the right) that are multiplied, in
#: an order in which one of both stays in its tile
PAIRS = {1: ((0, 0),), 3: ((2, 0), (1, 0), (0, 0), (0, 2), (0, 1), (1, 1))}
#: floats of a cache line
_LINE = 16
#: tiles that hold sums, of the eight there are
_SUMS = 4

_KINDS: dict[str, list[ir.Type]] = {
    "ldtilecfg": [PTR],
    "tilerelease": [],
    "tilezero": [I8],
    "tileloadd64": [I8, PTR, I64],
    "tilestored64": [I8, PTR, I64],
    "tdpbf16ps": [I8, I8, I8],
    "tdpbusd": [I8, I8, I8],
}


def instruct(b: Builder, name: str, *arguments: Number | Pointer) -> None:
    """Emit one of the instructions; numbers of tiles are part of it."""
    kinds = _KINDS[name]
    callee = b.unit.declare(f"llvm.x86.{name}", VOID, kinds)
    given = [
        a.v if isinstance(a, Pointer | Value) else ir.Constant(kind, a)
        for a, kind in zip(arguments, kinds, strict=True)
    ]
    b.ir.call(callee, given)


@contextlib.contextmanager
def tiles(
    b: Builder,
    rows: Sequence[int] = (EDGE,) * 8,
    row_bytes: Sequence[int] = (64,) * 8,
) -> Iterator[None]:
    """Give the eight tiles a shape for what is inside; give them back after."""
    layout = b.scratch("i64", 8)
    widths = [
        sum(n << (16 * i) for i, n in enumerate(row_bytes[at : at + 4]))
        for at in (0, 4)
    ]
    words = (1, 0, *widths, 0, 0, sum(n << (8 * i) for i, n in enumerate(rows)), 0)
    for i, word in enumerate(words):
        layout.store(b.i64(word), i)
    instruct(b, "ldtilecfg", layout)
    yield
    instruct(b, "tilerelease")


def parts(b: Builder, x: Value) -> list[Value]:
    """Return three vectors of floats with 8 significant bits whose sum is x.

    They come as 32-bit integers, whose lower halves are zero. Parts of numbers below
    2⁻¹¹⁰ are too small for the tiles, which take them as zero.
    """
    found = []
    for _ in range(PARTS - 1):
        bits = (b.bits(x, "i32") + HALF) & UPPER  # to the nearest, halves outwards
        found.append(bits)
        x = x - b.bits(bits, "f32")
    return [*found, b.bits(x, "i32")]


def rounded(b: Builder, first: Value, second: Value) -> Value:
    """Return two vectors rounded to bfloat16, side by side as 16-bit integers."""
    floats, kind = first.type, vector_of(_BFloat(), 2 * EDGE)
    name = "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
    callee = b.unit.declare(name, kind, [floats, floats])
    both = b.ir.call(callee, [second.v, first.v])
    return Value(b, b.ir.bitcast(both, vector_of(I16, 2 * EDGE)))


def in_row(b: Builder, *vectors: Value, count: int = PARTS) -> list[Value]:
    """Return the parts of one or two vectors side by side, as 16-bit integers.

    So lie the numbers of a left tile that are summed over.
    """
    if count == 1:
        return [rounded(b, vectors[0], vectors[1])]
    cut = [[_halves(b, part) for part in parts(b, x)] for x in vectors]
    upper = list(range(1, 2 * EDGE * len(vectors), 2))
    return [b.shuffle(same[0], same[-1], upper) for same in zip(*cut, strict=True)]


def _halves(b: Builder, words: Value) -> Value:
    return Value(b, b.ir.bitcast(words.v, vector_of(I16, 2 * words.type.count)))


def neighbours(b: Builder, even: Value, odd: Value, first: int = 0) -> Value:
    """Return 16-bit integers of two vectors alternately, as 16 words.

    ``first`` is where those begin in either vector, which may be longer.
    """
    other = even.type.count
    order = [i for n in range(first, first + EDGE) for i in (n, other + n)]
    return Value(b, b.ir.bitcast(b.shuffle(even, odd, order).v, vector_of(I32, EDGE)))


def paired(b: Builder, even: Value, odd: Value, count: int = PARTS) -> list[Value]:
    """Return the parts of two vectors with neighbours in one 32-bit word.

    So lie the numbers of a right tile that are summed over.
    """
    if count == 1:
        halves = rounded(b, even, odd)
        order = [i for n in range(EDGE) for i in (n, EDGE + n)]
        words = b.shuffle(halves, halves, order).v
        return [Value(b, b.ir.bitcast(words, vector_of(I32, EDGE)))]
    return [
        (x >> 16) | (y & UPPER)
        for x, y in zip(parts(b, even), parts(b, odd), strict=True)
    ]


class _BFloat(ir.Type):  # type: ignore[misc]
    """LLVM's type of a bfloat16, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


@dataclass(frozen=True, slots=True)
class Product:
    """sums[rows · 16, columns · 16] = left[rows · 16, depth] · right[depth, …].

    Attributes
    ----------
    rows, columns : int
        Tiles of the sums, down and across.
    left_row, left_part, left_step, left_block : int
        16-bit numbers of the left from row to row, from part to part, from one tile of
        the depth to the next, and from 16 rows to the next 16.
    right_step, right_column : int
        32-bit words of the right from one tile of the depth to the next, and from 16
        columns to the next.
    sums_row : int
        Floats from row to row of the sums.
    accumulate : bool
        Whether the sums begin with what lies there.
    parts : int
        Parts of each number: three are as exact as float32, one is bfloat16.
    right_row, right_part : int
        32-bit words of the right from row to row of a tile, and from part to part; a
        tile is in one piece, and its parts follow each other, where it is left out.
    """

    rows: int
    columns: int
    left_row: int
    left_part: int
    left_step: int
    left_block: Number
    right_step: int
    right_column: Number
    sums_row: Number
    accumulate: bool = False
    parts: int = PARTS
    right_row: int = EDGE
    right_part: int = WORDS


@dataclass(frozen=True, slots=True)
class Ahead:
    """Memory that is asked for while a product is made, for what comes after it.

    Attributes
    ----------
    places : tuple of Pointer
        Where arrays begin.
    lines : int
        Cache lines of each for every step of a block of sums.
    to_write : bool
        Whether what comes after changes it.
    row_lines, row : int
        Cache lines of a row, and numbers from row to row, where it is not in one piece.
    """

    places: tuple[Pointer, ...]
    lines: int
    to_write: bool = False
    row_lines: int = 0
    row: int = 0


def multiply(
    b: Builder,
    left: Pointer,
    right: Pointer,
    sums: Pointer,
    steps: Number,
    spec: Product,
    ahead: Ahead | None = None,
    left_at: Callable[[Value], Value] | None = None,
    right_at: Callable[[Value], Value] | None = None,
) -> None:
    """Make the product, ``steps`` tiles deep.

    ``left`` points at 16-bit integers, ``right`` at 32-bit ones. ``left_at`` says where
    a step's tile lies in the left, if not ``left_step`` further for each; ``right_at``
    the same of the right.
    """
    at = (
        left_at or (lambda step: step * spec.left_step),
        right_at or (lambda step: step * spec.right_step),
    )
    height = min(spec.rows, 2)
    width, done = _SUMS // height, 0
    for first_row, rows, many_rows in runs(split(spec.rows, height)):
        for first, columns, many in runs(split(spec.columns, width)):
            with b.loop(many_rows) as i, b.loop(many) as j:
                asked = (i * many + j + done) * steps if ahead else i
                row, column = i * rows + first_row, j * columns + first
                _multiply_block(
                    b,
                    left + row * spec.left_block,
                    right + column * spec.right_column,
                    sums + (row * (EDGE * spec.sums_row) + column * EDGE),
                    (spec, steps, rows, columns),
                    (ahead, asked),
                    at,
                )
            done += many_rows * many


def _multiply_block(
    b: Builder,
    left: Pointer,
    right: Pointer,
    sums: Pointer,
    how: tuple[Product, Number, int, int],
    asking: tuple[Ahead | None, Value],
    places: tuple[Callable[[Value], Value], Callable[[Value], Value]],
) -> None:
    """Make some tiles of sums, which stay in the processor."""
    (spec, steps, rows, columns), (ahead, asked) = how, asking
    cells = [(r, c) for r in range(rows) for c in range(columns)]
    at = {(r, c): sums + (r * EDGE * spec.sums_row + c * EDGE) for r, c in cells}
    tile = {cell: n for n, cell in enumerate(cells)}
    for cell in cells:
        if spec.accumulate:
            instruct(b, "tileloadd64", tile[cell], at[cell], 4 * spec.sums_row)
        else:
            instruct(b, "tilezero", tile[cell])
    free = list(range(_SUMS + rows, 8))
    pairs = PAIRS[spec.parts]
    products = len(cells) * len(pairs)
    with b.loop(steps) as step:
        a, w = left + places[0](step), right + places[1](step)
        held: dict[int | tuple[int, int], int] = {}
        turn, made = 0, 0
        for part, other in pairs:
            for r in range(rows):
                if held.get(r) != part:
                    place = a + (part * spec.left_part + r * spec.left_block)
                    instruct(b, "tileloadd64", _SUMS + r, place, 2 * spec.left_row)
                    held[r] = part
            for c in range(columns):
                # the right's stay for the next part of the left, if there is room
                place = w + (c * spec.right_column + other * spec.right_part)
                if columns <= len(free):
                    number = free[c]
                else:
                    number, turn = free[turn % len(free)], turn + 1
                if columns > len(free) or held.get((0, c)) != other:
                    instruct(b, "tileloadd64", number, place, 4 * spec.right_row)
                    held[0, c] = other
                for r in range(rows):
                    instruct(b, "tdpbf16ps", tile[r, c], _SUMS + r, number)
                    if ahead is not None:
                        _ask(b, ahead, asked + step, (made, products))
                    made += 1
    for cell in cells:
        instruct(b, "tilestored64", tile[cell], at[cell], 4 * spec.sums_row)


def _ask(b: Builder, ahead: Ahead, step: Value, share: tuple[int, int]) -> None:
    """Ask for the lines that fall to one product of the step's."""
    number, of = share
    for line in range(number * ahead.lines // of, (number + 1) * ahead.lines // of):
        at = step * ahead.lines + line
        if ahead.row_lines:
            row, here = at // ahead.row_lines, at % ahead.row_lines
            at = row * ahead.row + here * _LINE
        else:
            at = at * _LINE
        for place in ahead.places:
            b.prefetch(place + at, to_write=ahead.to_write)
