"""The ranking: priorities and figures in, an order with its steps out.

A priority's score is the mean over its figures, and an engine's is the mean over the
priorities, by their weights. What the spread of the figures makes of it is carried
along: engines whose intervals meet are tied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.compare.results.coverage import unranked
from pellucid.compare.results.steps import Step, engines_here, steps
from pellucid.compare.results.study_results import Results
from pellucid.compare.study.row import PRIORITIES

_ENDS = ("value", "low", "high")
TIE = 0.005  # scores are shown with two digits: what these do not tell apart is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An engine's place: its score over all priorities; tied engines share a place."""

    place: int
    engine: str
    value: float
    low: float
    high: float
    is_tied: bool


def weights_of(
    priorities: Mapping[str, float] | None, found: list[Step]
) -> dict[str, float]:
    """Return the weights as shares of 1; without any, each priority weighs the same.

    A priority of which no figure tells the engines apart weighs nothing.
    """
    known = {step.priority for step in found if step.separates}
    asked = dict.fromkeys(PRIORITIES, 1.0) if priorities is None else priorities
    kept = {n: w for n, w in asked.items() if n in known and w > 0}
    total = sum(kept.values())
    return {name: weight / total for name, weight in kept.items()}


def rank(results: Results, priorities: Mapping[str, float] | None) -> list[Place]:
    """Return the engines in order; empty where too little of it was measured.

    `unranked` says why it is empty.
    """
    if unranked(results, priorities):
        return []
    found = steps(results)
    shares = weights_of(priorities, found)
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
        if step.priority == priority and step.separates
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
