"""Whether a measurement may be ranked: undisturbed, possible, the fastest mode."""

from __future__ import annotations

from pellucid.compare.measurement import Measurement
from pellucid.compare.results.result import Result

_CLOCK = ("s", "ms", "images/s", "J")
_SLACK = 1.05  # a clock may be a little off: so far above the limit is the limit
#: how a mode of an engine is named among the figures of a cell, before its word
_MODES = ("ms per step, ", "median, ")
_NEVER_FASTEST = "eager"


def is_time_based(measurement: Measurement) -> bool:
    """Return whether a clock gave the figure, so that other programs disturb it."""
    return measurement.unit in _CLOCK or measurement.limit is not None


def has_disturbed_times(cell: Result) -> bool:
    """Return whether something else ran while a time of a cell was measured."""
    return any(is_disturbed(cell, measurement) for measurement in cell.figures)


def is_disturbed(cell: Result, measurement: Measurement) -> bool:
    """Return whether something else ran while one of a cell's figures was measured."""
    is_out = cell.is_disturbed and is_time_based(measurement)
    return measurement.is_disturbed or is_out


def explain_doubt(cell: Result, measurement: Measurement) -> str:
    """Return why a measured figure must not be ranked; "" where it may.

    Parameters
    ----------
    cell : Cell
    figure : Figure
        One of the cell's, with a number.
    """
    if is_disturbed(cell, measurement):
        return "something else ran on the machine"
    if (
        measurement.limit is not None
        and (measurement.number or 0.0) > _SLACK * measurement.limit
    ):
        return f"above the {measurement.limit:g} {measurement.unit} that are possible"
    left = _list_unmeasured_modes(cell) if measurement.mode else []
    return f"modes not measured: {', '.join(left)}" if left else ""


def clip_to_limit(measurement: Measurement, value: float) -> float:
    """Return a value, at most the limit of what is possible."""
    return value if measurement.limit is None else min(value, measurement.limit)


def _list_unmeasured_modes(cell: Result) -> list[str]:
    """Return the modes that were left out and may be the engine's fastest."""
    words = (
        measurement.name.removeprefix(begin).partition(", batch")[0]
        for measurement in cell.figures
        for begin in _MODES
        if measurement.is_full_only and measurement.name.startswith(begin)
    )
    return [word for word in dict.fromkeys(words) if word != _NEVER_FASTEST]
