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

from pellucid.compare.results.cell import Cell
from pellucid.compare.results.study_results import Results
from pellucid.compare.results.trust import doubt, possible
from pellucid.compare.study.figure import Figure

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


def steps(results: Results) -> list[Step]:
    """Return every figure that counts, with the scores of the engines that are here.

    What has not been measured for all of them, or not undisturbed, is left out; where
    one engine failed or has nothing of the kind and others have, it scores 0.
    """
    return [found for found in _criteria(results) if isinstance(found, Step)]


def left_out(results: Results) -> list[LeftOut]:
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
        for found in _criteria(results)
        if isinstance(found, LeftOut) or not found.separates
    ]


def engines_here(results: Results) -> tuple[str, ...]:
    """Return the engines that have at least one measured cell."""
    measured = {cell.engine for cell in results.cells if cell.is_done}
    return tuple(engine for engine in results.engines if engine in measured)


def _criteria(results: Results) -> Iterator[Step | LeftOut]:
    here = engines_here(results)
    for question in results.questions:
        cells = {cell.engine: cell for cell in results.row(question.name)}
        for aspect in question.aspects:
            yield _criterion(question.name, aspect, cells, here)


def _criterion(
    row: str, aspect: Mapping[str, Any], cells: Mapping[str, Cell], here: Sequence[str]
) -> Step | LeftOut:
    priority, name = str(aspect["priority"]), str(aspect["figure"])
    why = _why_left_out(cells, here, name)
    if why:
        return LeftOut(priority=priority, row=row, figure=name, why=why)
    lower = bool(aspect["lower_is_better"])
    return Step(
        priority=priority,
        row=row,
        figure=name,
        lower_is_better=lower,
        scores=_scores(cells, here, name, lower),
    )


def _why_left_out(cells: Mapping[str, Cell], engines: Sequence[str], name: str) -> str:
    """Return why a figure cannot be ranked among these engines; "" where it can."""
    waiting = [e for e in engines if _is_to_come(cells.get(e), name)]
    if waiting:
        return f"not measured for {', '.join(waiting)}"
    figures = {e: f for e in engines if (f := _measured(cells[e], name)) is not None}
    if not figures:
        return "no engine gave a number"
    doubts = {e: why for e, f in figures.items() if (why := doubt(cells[e], f))}
    return "; ".join(f"{engine}: {why}" for engine, why in doubts.items())


def _is_to_come(cell: Cell | None, name: str) -> bool:
    """Return whether the figure was not measured: by --full, later, or not here."""
    if cell is None or cell.status in _TO_COME:
        return True
    figure = cell.figure(name)
    return figure is not None and figure.is_full_only


def _measured(cell: Cell, name: str) -> Figure | None:
    """Return a cell's figure of that name, if it is a number."""
    figure = cell.figure(name)
    return figure if figure is not None and figure.number is not None else None


def _scores(
    cells: Mapping[str, Cell], engines: Sequence[str], name: str, lower: bool
) -> tuple[Score, ...]:
    figures = {e: _measured(cells[e], name) for e in engines}
    numbers = [possible(f, f.number or 0.0) for f in figures.values() if f is not None]
    best = min(numbers) if lower else max(numbers)
    scores = []
    for engine, figure in figures.items():
        if figure is None:
            why = _absence(cells[engine], name)
            scores.append(Score(engine=engine, value=0, low=0, high=0, shown=why))
            continue
        number = figure.number or 0.0
        ends = [
            _against(best, possible(figure, number if end is None else end), lower)
            for end in (number, figure.low, figure.high)
        ]
        scores.append(
            Score(
                engine=engine,
                value=ends[0],
                low=min(ends),
                high=max(ends),
                shown=_shown(figure),
            )
        )
    return tuple(scores)


def _shown(figure: Figure) -> str:
    """Return a figure's value and mode; a truth counts 1 or 0 and reads yes or no."""
    if isinstance(figure.value, bool):
        return "yes" if figure.value else "no"
    value = amount(figure.number or 0.0, figure.unit)
    return f"{value} ({figure.mode})" if figure.mode else value


def _against(best: float, value: float, lower: bool) -> float:
    """Return how good a value is against the best: 1 as good, 0.5 half as good.

    Of nothing less is perfect, and more is a failure: all at 0 have failed.
    """
    small, large = (best, value) if lower else (value, best)
    if large <= 0:
        return 1.0 if lower else 0.0
    return max(0.0, min(1.0, small / large))


def _absence(cell: Cell, figure: str) -> str:
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
