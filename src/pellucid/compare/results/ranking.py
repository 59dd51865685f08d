"""This file is the ranking: priorities and figures in, an order with its steps out.

An engine's score in one figure is how good it is against the best engine: 1 for the
best, 0.5 for half as good. A priority's score is the mean over its figures, and an
engine's is the mean over the priorities, by their weights. What the spread of the
figures makes of it is carried along: engines whose intervals meet are tied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.compare.results.cell import Cell
from pellucid.compare.results.study_results import Results
from pellucid.compare.study.figure import Figure
from pellucid.compare.study.row import PRIORITIES

_ENDS = ("value", "low", "high")
TIE = 0.005  # scores are shown with two digits: what these do not tell apart is one


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
class Step:
    """One figure that counts: where it stands, and each engine's score in it."""

    priority: str
    row: str
    figure: str
    lower_is_better: bool
    scores: tuple[Score, ...]

    def score(self, engine: str) -> Score:
        """Return an engine's score."""
        return next(score for score in self.scores if score.engine == engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An engine's place: its score over all priorities; tied engines share a place."""

    place: int
    engine: str
    value: float
    low: float
    high: float
    is_tied: bool


def steps(results: Results) -> list[Step]:
    """Return every figure that counts, with the scores of the engines that are here.

    What has not been measured for all of them is left out; where one engine failed or
    has nothing of the kind and others have, it scores 0.
    """
    here = engines_here(results)
    found = []
    for question in results.questions:
        cells = {cell.engine: cell for cell in results.row(question.name)}
        for aspect in question.aspects:
            lower = bool(aspect["lower_is_better"])
            scores = _scores(cells, here, str(aspect["figure"]), lower)
            if scores:
                found.append(
                    Step(
                        priority=str(aspect["priority"]),
                        row=question.name,
                        figure=str(aspect["figure"]),
                        lower_is_better=lower,
                        scores=scores,
                    )
                )
    return found


def engines_here(results: Results) -> tuple[str, ...]:
    """Return the engines that have at least one measured cell."""
    measured = {cell.engine for cell in results.cells if cell.is_done}
    return tuple(engine for engine in results.engines if engine in measured)


def _scores(
    cells: Mapping[str, Cell], engines: Iterable[str], figure: str, lower: bool
) -> tuple[Score, ...]:
    values = {}
    for engine, cell in cells.items():
        found = cell.figure(figure)
        if found is not None and found.number is not None:
            values[engine] = found
    numbers = [v.number for v in values.values() if v.number is not None]
    if not numbers or any(_is_to_come(cells.get(e), figure) for e in engines):
        return ()
    best = min(numbers) if lower else max(numbers)
    scores = []
    for engine in engines:
        measured = values.get(engine)
        if measured is None or measured.number is None:
            why = _absence(cells.get(engine), figure)
            scores.append(Score(engine=engine, value=0, low=0, high=0, shown=why))
            continue
        ends = [
            _against(best, measured.number if end is None else end, lower)
            for end in (measured.number, measured.low, measured.high)
        ]
        scores.append(
            Score(
                engine=engine,
                value=ends[0],
                low=min(ends),
                high=max(ends),
                shown=_shown(measured),
            )
        )
    return tuple(scores)


def _is_to_come(cell: Cell | None, name: str) -> bool:
    """Return whether the figure may still be measured, by --full or later."""
    if cell is None or cell.status in ("not yet", "full only"):
        return True
    figure = cell.figure(name)
    return figure is not None and figure.is_full_only


def _shown(figure: Figure) -> str:
    """Return a figure's value; a truth counts 1 or 0 and reads yes or no."""
    if isinstance(figure.value, bool):
        return "yes" if figure.value else "no"
    return amount(figure.number or 0.0, figure.unit)


def _against(best: float, value: float, lower: bool) -> float:
    """Return how good a value is against the best: 1 as good, 0.5 half as good."""
    small, large = (best, value) if lower else (value, best)
    if large <= 0:
        return 1.0
    return max(0.0, min(1.0, small / large))


def _absence(cell: Cell | None, figure: str) -> str:
    if cell is None:
        return "not measured"
    found = cell.figure(figure)
    if found is not None:
        return found.note or "failed"
    return cell.reason or cell.status if cell.status != "measured" else "has none"


def amount(value: float, unit: str) -> str:
    """Return a number with three digits and its unit.

    Examples
    --------
    >>> amount(1234.5, "images/s"), amount(0.01234, "s"), amount(7, "")
    ('1,234 images/s', '0.0123 s', '7')
    """
    if value == 0 or (float(value).is_integer() and abs(value) < 1e6):
        text = f"{int(value):,}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}"
    return f"{text} {unit}".strip()


def weights_of(
    priorities: Mapping[str, float] | None, found: list[Step]
) -> dict[str, float]:
    """Return the weights as shares of 1; without any, each priority weighs the same."""
    known = {step.priority for step in found}
    asked = dict.fromkeys(PRIORITIES, 1.0) if priorities is None else priorities
    kept = {n: w for n, w in asked.items() if n in known and w > 0}
    total = sum(kept.values())
    return {name: weight / total for name, weight in kept.items()}


def rank(results: Results, priorities: Mapping[str, float] | None) -> list[Place]:
    """Return the engines in order; empty where nothing that counts was measured."""
    found = steps(results)
    shares = weights_of(priorities, found)
    if not shares:
        return []
    totals = {
        engine: tuple(_total(found, shares, engine, end) for end in _ENDS)
        for engine in engines_here(results)
    }
    return _places(totals)


def _total(
    found: list[Step], shares: Mapping[str, float], engine: str, end: str
) -> float:
    return sum(w * _mean(found, name, engine, end) for name, w in shares.items())


def _mean(found: list[Step], priority: str, engine: str, end: str) -> float:
    values = [
        float(getattr(step.score(engine), end))
        for step in found
        if step.priority == priority
    ]
    return sum(values) / len(values)


def _places(totals: Mapping[str, tuple[float, ...]]) -> list[Place]:
    """Order by value; who reaches up to the first of a group is tied with it."""
    ordered = sorted(totals.items(), key=lambda item: -item[1][0])
    groups: list[list[tuple[str, tuple[float, ...]]]] = []
    for engine, total in ordered:
        if groups and total[2] >= groups[-1][0][1][1] - TIE:
            groups[-1].append((engine, total))
        else:
            groups.append([(engine, total)])
    places, place = [], 1
    for group in groups:
        for engine, (value, low, high) in group:
            places.append(
                Place(
                    place=place,
                    engine=engine,
                    value=value,
                    low=low,
                    high=high,
                    is_tied=len(group) > 1,
                )
            )
        place += len(group)
    return places


def to_json(places: Iterable[Place]) -> list[dict[str, Any]]:
    """Return places as plain values."""
    return [asdict(place) for place in places]
