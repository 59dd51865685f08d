"""Use cases: which framework for whom, by the figures that matter there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pellucid.compare.results.coverage import explain_no_ranking
from pellucid.compare.results.ranking import RankedEngine, normalize_weights, rank
from pellucid.compare.results.results_file import Results
from pellucid.compare.results.scores import (
    MetricScores,
    list_measured_engines,
    score_metrics,
)
from pellucid.engines.registry import OURS

#: who asks, and the weights of what matters to them
USE_CASES: dict[str, dict[str, float]] = {
    "research": {
        "flexibility": 3,
        "debugging": 3,
        "ease": 2,
        "ecosystem": 2,
        "training": 2,
    },
    "production": {
        "deployment": 3,
        "latency": 3,
        "throughput": 2,
        "languages": 2,
        "memory": 1,
        "size": 1,
    },
    "mobile": {"devices": 3, "deployment": 2, "languages": 1},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A figure in which the first is ahead of the second, or behind it."""

    figure: str
    row: str
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Who is first for a use case, who second, and by what.

    Attributes
    ----------
    use_case : str
    group : {"frameworks", "pellucid"}
        Frameworks are compared with each other, pellucid's engines apart.
    places : tuple of RankedEngine
        Empty where there is no answer, and ``why_not`` says why.
    ahead, behind : Reason or None
        What speaks most for the first, and most against it, beside the second.
    without : tuple of str
        Priorities that matter there and were not measured.
    """

    use_case: str
    group: str
    places: tuple[RankedEngine, ...] = ()
    ahead: Reason | None = None
    behind: Reason | None = None
    without: tuple[str, ...] = ()
    why_not: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def list_answers(results: Results) -> list[Answer]:
    """Return an answer for each use case, frameworks first, then pellucid's engines.

    A group with fewer than two measured engines is left out: there is nothing to
    choose between. Of pellucid's engines there is an answer or nothing.
    """
    measured = list_measured_engines(results)
    groups = {
        "frameworks": [e for e in measured if e not in OURS],
        "pellucid": [e for e in measured if e in OURS],
    }
    answers = [
        _answer(_only(results, engines), name, group, weights)
        for group, engines in groups.items()
        if len(engines) > 1
        for name, weights in USE_CASES.items()
    ]
    return [one for one in answers if one.places or one.group == "frameworks"]


def _only(results: Results, engines: list[str]) -> Results:
    return replace(results, settings={**results.settings, "engines": engines})


def _answer(
    results: Results, use_case: str, group: str, weights: Mapping[str, float]
) -> Answer:
    why = explain_no_ranking(results, weights)
    if why:
        return Answer(use_case=use_case, group=group, why_not=why)
    places = rank(results, weights)
    first, second = places[0].engine, places[1].engine
    found = score_metrics(results)
    measured = {step.priority for step in found}
    gains = sorted(_list_gains(found, weights, first, second), key=lambda gain: gain[0])
    least, most = gains[0], gains[-1]
    return Answer(
        use_case=use_case,
        group=group,
        places=tuple(places),
        ahead=_reason(most[1], first, second) if most[0] > 0 else None,
        behind=_reason(least[1], first, second) if least[0] < 0 else None,
        without=tuple(name for name in weights if name not in measured),
    )


def _list_gains(
    found: list[MetricScores], weights: Mapping[str, float], first: str, second: str
) -> list[tuple[float, MetricScores]]:
    """Return what each figure adds to the first's lead over the second."""
    shares = normalize_weights(weights, found)
    counted = [s for s in found if s.priority in shares and s.separates]
    gains = []
    for step in counted:
        count = sum(other.priority == step.priority for other in counted)
        lead = step.score(first).value - step.score(second).value
        gains.append((shares[step.priority] / count * lead, step))
    return gains


def _reason(step: MetricScores, first: str, second: str) -> Reason:
    return Reason(
        figure=step.figure,
        row=step.row,
        first=step.score(first).shown,
        second=step.score(second).shown,
    )
