"""How many of the questions that matter were measured, and whether that is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.compare.results.cell import Question
from pellucid.compare.results.steps import engines_here, steps
from pellucid.compare.results.study_results import Results
from pellucid.compare.study.row import PRIORITIES
from pellucid.compare.study.rows import row, rows_there

ENOUGH = 0.75  # the share of the questions that must be measured before one ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
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


def covered(results: Results) -> list[Covered]:
    """Return every question that counts towards a priority, measured or not.

    Those of the results; and those this version can measure besides, as far as they
    count towards what no question of the results does.
    """
    found = steps(results)
    measured = {(step.row, step.priority) for step in found}
    questions = {q.name: _priorities(q) for q in results.questions}
    known = {name for names in questions.values() for name in names}
    for name in rows_there():
        others = [a.priority for a in row(name).aspects if a.priority not in known]
        if name not in questions:
            questions[name] = tuple(dict.fromkeys(others))
    return [
        Covered(
            row=name,
            priorities=names,
            measured=tuple(n for n in names if (name, n) in measured),
        )
        for name, names in questions.items()
        if names
    ]


def coverage(results: Results, priorities: Mapping[str, float] | None) -> Coverage:
    """Return how many of the questions were measured that matter to a reader."""
    wanted = {*PRIORITIES} if priorities is None else _weighty(priorities)
    asked = [one for one in covered(results) if wanted & {*one.priorities}]
    done = [one for one in asked if wanted & {*one.measured}]
    return Coverage(measured=len(done), asked=len(asked))


def unranked(results: Results, priorities: Mapping[str, float] | None) -> str:
    """Return why there is no ranking, as the end of a sentence; "" where there is.

    It ranks where three quarters of the questions that matter were measured, for at
    least two engines, and one of them tells the engines apart.
    """
    if len(engines_here(results)) < 2:
        return "there must be measurements of two engines to lay side by side"
    found = coverage(results, priorities)
    if not found.is_enough:
        return f"not enough measured: {found.measured} of {found.asked} questions"
    wanted = {*PRIORITIES} if priorities is None else _weighty(priorities)
    if not any(s.separates for s in steps(results) if s.priority in wanted):
        return "nothing that was measured tells the engines apart"
    return ""


def _priorities(question: Question) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(a["priority"]) for a in question.aspects))


def _weighty(priorities: Mapping[str, float]) -> set[str]:
    return {name for name, weight in priorities.items() if weight > 0}
