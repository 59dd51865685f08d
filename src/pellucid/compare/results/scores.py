"""The criteria: every figure that counts, with the score of each engine in it.

An engine's score in one figure is how good it is against the best engine: 1 for the
best, 0.5 for half as good. A criterion becomes a step only where every engine was
measured, undisturbed; one that does not tell the engines apart is shown and counts for
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.compare.measurement import Measurement
from pellucid.compare.results.result import Result
from pellucid.compare.results.results_file import Results
from pellucid.compare.results.trust import clip_to_limit, explain_doubt

_TO_COME = ("not yet", "full only", "not installed", "does not apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One engine in one figure.

    Attributes
    ----------
    value : float
        1: as good as the best; 0: failed, or none at all.
    low, high : float
        What it is at the ends of the figure's spread.
    shown : str
        The figure that it rests on, or why there is none.
    """

    engine: str
    value: float
    low: float
    high: float
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricScores:
    """One figure that counts: where it stands, and each engine's score in it."""

    priority: str
    row: str
    figure: str
    lower_is_better: bool
    scores: tuple[Score, ...]

    def score(self, engine: str) -> Score:
        """Return an engine's score."""
        return next(score for score in self.scores if score.engine == engine)

    @property
    def separates(self) -> bool:
        """Whether it tells the engines apart; else it does not count."""
        return len({score.value for score in self.scores}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One figure that would count, and why it does not."""

    priority: str
    row: str
    figure: str
    why: str

    def to_json(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)


def score_metrics(results: Results) -> list[MetricScores]:
    """Return every figure that counts, with the scores of the engines that are here.

    What has not been measured for all of them, or not undisturbed, is left out; where
    one engine failed or has nothing of the kind and others have, it scores 0.
    """
    return [found for found in _score_all(results) if isinstance(found, MetricScores)]


def list_left_out(results: Results) -> list[LeftOut]:
    """Return every figure that would count and does not, with the reason.

    That of a step that tells no engines apart is among them.
    """
    return [
        found
        if isinstance(found, LeftOut)
        else LeftOut(
            priority=found.priority,
            row=found.row,
            figure=found.figure,
            why="the same for all engines",
        )
        for found in _score_all(results)
        if isinstance(found, LeftOut) or not found.separates
    ]


def list_measured_engines(results: Results) -> tuple[str, ...]:
    """Return the engines that have at least one measured cell."""
    measured = {cell.engine for cell in results.cells if cell.is_done}
    return tuple(engine for engine in results.engines if engine in measured)


def _score_all(results: Results) -> Iterator[MetricScores | LeftOut]:
    here = list_measured_engines(results)
    for question in results.questions:
        cells = {cell.engine: cell for cell in results.row(question.name)}
        for metric in question.aspects:
            yield _score_one(question.name, metric, cells, here)


def _score_one(
    row: str,
    metric: Mapping[str, Any],
    cells: Mapping[str, Result],
    here: Sequence[str],
) -> MetricScores | LeftOut:
    priority, name = str(metric["priority"]), str(metric["figure"])
    why = _explain_left_out(cells, here, name)
    if why:
        return LeftOut(priority=priority, row=row, figure=name, why=why)
    lower = bool(metric["lower_is_better"])
    return MetricScores(
        priority=priority,
        row=row,
        figure=name,
        lower_is_better=lower,
        scores=_score_engines(cells, here, name, lower),
    )


def _explain_left_out(
    cells: Mapping[str, Result], engines: Sequence[str], name: str
) -> str:
    """Return why a figure cannot be ranked among these engines; "" where it can."""
    waiting = [e for e in engines if _is_to_come(cells.get(e), name)]
    if waiting:
        return f"not measured for {', '.join(waiting)}"
    measurements = {
        e: f for e in engines if (f := _find_number(cells[e], name)) is not None
    }
    if not measurements:
        return "no engine gave a number"
    doubts = {
        e: why for e, f in measurements.items() if (why := explain_doubt(cells[e], f))
    }
    return "; ".join(f"{engine}: {why}" for engine, why in doubts.items())


def _is_to_come(cell: Result | None, name: str) -> bool:
    """Return whether the figure was not measured: by --full, later, or not here."""
    if cell is None or cell.status in _TO_COME:
        return True
    measurement = cell.figure(name)
    return measurement is not None and measurement.is_full_only


def _find_number(cell: Result, name: str) -> Measurement | None:
    """Return a cell's figure of that name, if it is a number."""
    measurement = cell.figure(name)
    return (
        measurement
        if measurement is not None and measurement.number is not None
        else None
    )


def _score_engines(
    cells: Mapping[str, Result], engines: Sequence[str], name: str, lower: bool
) -> tuple[Score, ...]:
    measurements = {e: _find_number(cells[e], name) for e in engines}
    numbers = [
        clip_to_limit(f, f.number or 0.0)
        for f in measurements.values()
        if f is not None
    ]
    best = min(numbers) if lower else max(numbers)
    scores = []
    for engine, measurement in measurements.items():
        if measurement is None:
            why = _explain_absence(cells[engine], name)
            scores.append(Score(engine=engine, value=0, low=0, high=0, shown=why))
            continue
        number = measurement.number or 0.0
        ends = [
            _score_against(
                best, clip_to_limit(measurement, number if end is None else end), lower
            )
            for end in (number, measurement.low, measurement.high)
        ]
        scores.append(
            Score(
                engine=engine,
                value=ends[0],
                low=min(ends),
                high=max(ends),
                shown=_format(measurement),
            )
        )
    return tuple(scores)


def _format(measurement: Measurement) -> str:
    """Return a figure's value and mode; a truth counts 1 or 0 and reads yes or no."""
    if isinstance(measurement.value, bool):
        return "yes" if measurement.value else "no"
    value = format_amount(measurement.number or 0.0, measurement.unit)
    return f"{value} ({measurement.mode})" if measurement.mode else value


def _score_against(best: float, value: float, lower: bool) -> float:
    """Return how good a value is against the best: 1 as good, 0.5 half as good.

    Of nothing less is perfect, and more is a failure: all at 0 have failed.
    """
    small, large = (best, value) if lower else (value, best)
    if large <= 0:
        return 1.0 if lower else 0.0
    return max(0.0, min(1.0, small / large))


def _explain_absence(cell: Result, measurement: str) -> str:
    found = cell.figure(measurement)
    if found is not None:
        return found.note or "failed"
    return cell.reason or cell.status if cell.status != "measured" else "has none"


def format_amount(value: float, unit: str) -> str:
    """Return a number with three digits and its unit.

    Examples
    --------
    >>> format_amount(1234.5, "images/s"), format_amount(0.01234, "s")
    ('1,234 images/s', '0.0123 s')
    """
    if value == 0 or (float(value).is_integer() and abs(value) < 1e6):
        text = f"{int(value):,}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}"
    return f"{text} {unit}".strip()
