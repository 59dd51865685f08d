"""The overview: eight claims as one table, the best engine of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pellucid.compare.results.result import Result
from pellucid.compare.results.results_file import Results
from pellucid.compare.results.scores import (
    MetricScores,
    format_amount,
    list_measured_engines,
    score_metrics,
)
from pellucid.compare.results.trust import explain_doubt

#: what articles that compare frameworks say of each, the row and the figure behind it
CLAIMS = (
    ("ease of use", "ease", "lines without reading files"),
    ("dynamic programs", "graph", "programs in the freest mode"),
    ("speed of training", "train-speed", "images/s, best, batch 64"),
    ("debugging", "debugging", "modes one can stop in"),
    ("deployment", "deployment", "formats that work"),
    ("mobile", "devices", "ways to a device"),
    ("the rest of Python", "ecosystem", "objects that work as they are"),
    ("scaling", "scale-out", "efficiency, processes: 2"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewCell:
    """One engine's figure: as it is shown, whether it is the best, why not to trust it.

    A figure that must not be ranked is shown with ``doubt``; one that there is none of
    as a word. With either in a row, nothing in it is the best.
    """

    engine: str
    shown: str
    is_best: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewRow:
    """One claim: the row and figure that it rests on, and a cell for each engine."""

    claim: str
    row: str
    figure: str
    cells: tuple[OverviewCell, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def make_overview(results: Results) -> list[OverviewRow]:
    """Return the claims of which something was asked, in the order of `CLAIMS`.

    Parameters
    ----------
    results : Results
        Of all rows or of some.

    Returns
    -------
    list of OverviewRow
        With a cell for each engine that was measured.
    """
    scores = {(step.row, step.figure): step for step in score_metrics(results)}
    engines = list_measured_engines(results)
    return [
        OverviewRow(
            claim=claim,
            row=row,
            figure=figure,
            cells=tuple(
                _make_cell(results.get(row, e), e, figure, scores.get((row, figure)))
                for e in engines
            ),
        )
        for claim, row, figure in CLAIMS
        if results.question(row) is not None
    ]


def _make_cell(
    cell: Result | None, engine: str, name: str, step: MetricScores | None
) -> OverviewCell:
    if step is not None:
        score = step.score(engine)
        is_best = step.separates and score.value == 1
        return OverviewCell(engine=engine, shown=score.shown, is_best=is_best)
    found = cell.figure(name) if cell is not None else None
    if cell is None or found is None or found.number is None:
        is_later = found is not None and found.is_full_only
        word = "full only" if is_later else _word_of(cell)
        return OverviewCell(engine=engine, shown=word)
    return OverviewCell(
        engine=engine,
        shown=format_amount(found.number, found.unit),
        doubt=explain_doubt(cell, found) or "not measured for all engines",
    )


def _word_of(cell: Result | None) -> str:
    return cell.status if cell is not None and not cell.is_done else "not measured"
