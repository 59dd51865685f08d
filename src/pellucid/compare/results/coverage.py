"""How many of the questions that matter were measured, and whether that is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.compare.criteria import find_criterion, list_criteria
from pellucid.compare.criteria.criterion import PRIORITIES
from pellucid.compare.results.result import Question
from pellucid.compare.results.results_file import Results
from pellucid.compare.results.scores import list_measured_engines, score_metrics

ENOUGH = 0.75  # the share of the questions that must be measured before one ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredCriterion:
    """A question that counts: its priorities, and those of them that were measured."""

    row: str
    priorities: tuple[str, ...]
    measured: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Of the questions that matter to a reader, how many were measured.

    Attributes
    ----------
    measured, asked : int
    is_enough : bool
        Whether a ranking may rest on them.
    """

    measured: int
    asked: int

    @property
    def is_enough(self) -> bool:
        """Whether a ranking may rest on them."""
        return self.measured > 0 and self.measured >= ENOUGH * self.asked

    def to_json(self) -> dict[str, Any]:
        """Return the coverage as plain values."""
        return {
            "measured": self.measured,
            "asked": self.asked,
            "is_enough": self.is_enough,
        }


def list_covered(results: Results) -> list[CoveredCriterion]:
    """Return every question that counts towards a priority, measured or not.

    Those of the results; and those this version can measure besides, as far as they
    count towards what no question of the results does.
    """
    found = score_metrics(results)
    measured = {(step.row, step.priority) for step in found}
    questions = {q.name: _list_priorities(q) for q in results.questions}
    known = {name for names in questions.values() for name in names}
    for name in list_criteria():
        others = [
            a.priority for a in find_criterion(name).aspects if a.priority not in known
        ]
        if name not in questions:
            questions[name] = tuple(dict.fromkeys(others))
    return [
        CoveredCriterion(
            row=name,
            priorities=names,
            measured=tuple(n for n in names if (name, n) in measured),
        )
        for name, names in questions.items()
        if names
    ]


def measure_coverage(
    results: Results, priorities: Mapping[str, float] | None
) -> Coverage:
    """Return how many of the questions were measured that matter to a reader."""
    wanted = {*PRIORITIES} if priorities is None else _select_weighted(priorities)
    asked = [one for one in list_covered(results) if wanted & {*one.priorities}]
    done = [one for one in asked if wanted & {*one.measured}]
    return Coverage(measured=len(done), asked=len(asked))


def explain_no_ranking(results: Results, priorities: Mapping[str, float] | None) -> str:
    """Return why there is no ranking, as the end of a sentence; "" where there is.

    It ranks where three quarters of the questions that matter were measured, for at
    least two engines, and one of them tells the engines apart.
    """
    if len(list_measured_engines(results)) < 2:
        return "there must be measurements of two engines to lay side by side"
    found = measure_coverage(results, priorities)
    if not found.is_enough:
        return f"not enough measured: {found.measured} of {found.asked} questions"
    wanted = {*PRIORITIES} if priorities is None else _select_weighted(priorities)
    if not any(s.separates for s in score_metrics(results) if s.priority in wanted):
        return "nothing that was measured tells the engines apart"
    return ""


def _list_priorities(question: Question) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(a["priority"]) for a in question.aspects))


def _select_weighted(priorities: Mapping[str, float]) -> set[str]:
    return {name for name, weight in priorities.items() if weight > 0}
