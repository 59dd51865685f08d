"""Whether a measurement may be ranked: undisturbed, possible, the fastest mode."""

from __future__ import annotations

from pellucid.compare.results.cell import Cell
from pellucid.compare.study.figure import Figure

_CLOCK = ("s", "ms", "images/s", "J")
_SLACK = 1.05  # a clock may be a little off: so far above the limit is the limit
#: how a mode of an engine is named among the figures of a cell, before its word
_MODES = ("ms per step, ", "median, ")
_NEVER_FASTEST = "eager"


def rests_on_time(figure: Figure) -> bool:
    """Return whether a clock gave the figure, so that other programs disturb it."""
    return figure.unit in _CLOCK or figure.limit is not None


def doubt(cell: Cell, figure: Figure) -> str:
    """Return why a measured figure must not be ranked; "" where it may.

    Parameters
    ----------
    cell : Cell
    figure : Figure
        One of the cell's, with a number.
    """
    if figure.is_disturbed or (cell.is_disturbed and rests_on_time(figure)):
        return "something else ran on the machine"
    if figure.limit is not None and (figure.number or 0.0) > _SLACK * figure.limit:
        return f"above the {figure.limit:g} {figure.unit} that are possible"
    left = _modes_left(cell) if figure.mode else []
    return f"modes not measured: {', '.join(left)}" if left else ""


def possible(figure: Figure, value: float) -> float:
    """Return a value, at most the limit of what is possible."""
    return value if figure.limit is None else min(value, figure.limit)


def _modes_left(cell: Cell) -> list[str]:
    """Return the modes that were left out and may be the engine's fastest."""
    words = (
        figure.name.removeprefix(begin).partition(", batch")[0]
        for figure in cell.figures
        for begin in _MODES
        if figure.is_full_only and figure.name.startswith(begin)
    )
    return [word for word in dict.fromkeys(words) if word != _NEVER_FASTEST]
