"""In-register transpose of square blocks."""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Value


def square(b: Builder, rows: list[Value]) -> list[Value]:
    """Return the columns of a square matrix given by its rows, as many as lanes.

    Neighbours exchange ever larger halves: log₂ of the size rounds of shuffles.
    """
    rows, count, half = list(rows), len(rows), 1
    while half < count:
        low = [j if not j & half else count + j - half for j in range(count)]
        high = [j + half if not j & half else count + j for j in range(count)]
        for i in range(count):
            if not i & half:
                x, y = rows[i], rows[i + half]
                rows[i], rows[i + half] = b.shuffle(x, y, low), b.shuffle(x, y, high)
        half *= 2
    return rows
