"""The ranking: priorities and figures in, an order with its steps out.

A priority's score is the mean over its figures, and an engine's is the mean over the
priorities, by their weights. What the spread of the figures makes of it is carried
along: engines whose intervals meet are tied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.compare.criteria.criterion import PRIORITIES
from pellucid.compare.results.coverage import explain_no_ranking
from pellucid.compare.results.results_file import Results
from pellucid.compare.results.scores import (
    MetricScores,
    list_measured_engines,
    score_metrics,
)

_ENDS = ("value", "low", "high")
TIE = 0.005  # scores are shown with two digits: what these do not tell apart is one


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedEngine:
    """An engine's place: its score over all priorities; tied engines share a place."""

    place: int
    engine: str
    value: float
    low: float
    high: float
    is_tied: bool


def normalize_weights(
    priorities: Mapping[str, float] | None, found: list[MetricScores]
) -> dict[str, float]:
    """Return the weights as shares of 1; without any, each priority weighs the same.

    A priority of which no figure tells the engines apart weighs nothing.
    """
    known = {step.priority for step in found if step.separates}
    asked = dict.fromkeys(PRIORITIES, 1.0) if priorities is None else priorities
    kept = {n: w for n, w in asked.items() if n in known and w > 0}
    total = sum(kept.values())
    return {name: weight / total for name, weight in kept.items()}


def rank(
    results: Results, priorities: Mapping[str, float] | None
) -> list[RankedEngine]:
    """Return the engines in order; empty where too little of it was measured.

    `explain_no_ranking` says why it is empty.
    """
    if explain_no_ranking(results, priorities):
        return []
    found = score_metrics(results)
    shares = normalize_weights(priorities, found)
    totals = {
        engine: tuple(_total(found, shares, engine, end) for end in _ENDS)
        for engine in list_measured_engines(results)
    }
    return _rank_totals(totals)


def _total(
    found: list[MetricScores], shares: Mapping[str, float], engine: str, end: str
) -> float:
    return sum(w * _mean(found, name, engine, end) for name, w in shares.items())


def _mean(found: list[MetricScores], priority: str, engine: str, end: str) -> float:
    values = [
        float(getattr(step.score(engine), end))
        for step in found
        if step.priority == priority and step.separates
    ]
    return sum(values) / len(values)


def _rank_totals(totals: Mapping[str, tuple[float, ...]]) -> list[RankedEngine]:
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
                RankedEngine(
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


def to_json(places: Iterable[RankedEngine]) -> list[dict[str, Any]]:
    """Return places as plain values."""
    return [asdict(place) for place in places]
