"""Changes between two results beyond the noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.compare.measurement import Measurement
from pellucid.compare.results.result import Result
from pellucid.compare.results.results_file import Results
from pellucid.compare.results.trust import is_disturbed

NOISE = 0.05  # a time without a spread must change by more than this share


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure that is no longer what it was.

    Attributes
    ----------
    row, engine, figure : str
    before, now : object
    unit : str
    ratio : float, optional
        How many times what it was; None for words.
    """

    row: str
    engine: str
    figure: str
    before: Any
    now: Any
    unit: str = ""
    ratio: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain values."""
        return asdict(self)


def list_differences(old: Results, new: Results) -> list[str]:
    """Return in words what was not the same around the two: machine, versions, …"""
    found = []
    for what in ("settings", "machine", "versions"):
        before, now = getattr(old, what), getattr(new, what)
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                came = f"{before.get(key, 'nothing')} → {now.get(key, 'nothing')}"
                found.append(f"{what}: {key} {came}")
    return found


def find_changes(old: Results, new: Results) -> list[Change]:
    """Return every figure that changed beyond the noise, the largest ratio first.

    A number with a spread on both sides has changed where the spreads do not meet; one
    without (a count, a size) where it differs by more than 5 %. A word has changed
    where it is another. Times that were disturbed, then or now, say nothing.
    """
    found = [
        change
        for cell in new.cells
        if (before := old.get(cell.row, cell.engine)) is not None
        for change in _compare_results(before, cell)
    ]
    return sorted(
        found, key=lambda c: -max(c.ratio or 0, 1 / c.ratio if c.ratio else 0)
    )


def _compare_results(before: Result, now: Result) -> Iterator[Change]:
    if before.status != now.status:
        yield Change(
            row=now.row,
            engine=now.engine,
            figure="the cell",
            before=before.status,
            now=now.status,
        )
        return
    for measurement in now.figures:
        other = before.figure(measurement.name)
        if other is None or not _has_changed(other, measurement):
            continue
        if is_disturbed(before, other) or is_disturbed(now, measurement):
            continue
        is_number = measurement.number is not None and bool(other.number)
        yield Change(
            row=now.row,
            engine=now.engine,
            figure=measurement.name,
            before=other.value,
            now=measurement.value,
            unit=measurement.unit,
            ratio=measurement.number / other.number  # type: ignore[operator]
            if is_number and measurement.number
            else None,
        )


def _has_changed(before: Measurement, now: Measurement) -> bool:
    if isinstance(before.value, bool) or isinstance(now.value, bool):
        return before.value is not now.value
    if before.number is None or now.number is None:
        return before.value != now.value
    if before.low is None or now.low is None:
        return abs(now.number - before.number) > NOISE * abs(before.number)
    low, high = now.low, now.high if now.high is not None else now.number
    other_high = before.high if before.high is not None else before.number
    return low > other_high or high < before.low
