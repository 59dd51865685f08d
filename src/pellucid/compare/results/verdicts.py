"""This file is where our own engines lose, win and draw, figure by figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pellucid.compare.results.ranking import TIE, Score, Step, steps
from pellucid.compare.results.study_results import Results

OURS = ("compiled", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The best of our engines against the best of the frameworks in one figure."""

    step: Step
    outcome: Literal["loses", "wins", "ties"]
    ours: Score
    theirs: Score

    @property
    def factor(self) -> float | None:
        """How many times as good the better one is; None where one has nothing."""
        low, high = sorted((self.ours.value, self.theirs.value))
        return high / low if low > 0 else None


def verdicts(results: Results) -> list[Verdict]:
    """Return a verdict for each figure that both sides have a part in.

    The losses come first, the clearest first.
    """
    found = [v for step in steps(results) if (v := _verdict(step)) is not None]
    order = {"loses": 0, "ties": 1, "wins": 2}
    return sorted(found, key=lambda v: (order[v.outcome], -(v.factor or float("inf"))))


def _verdict(step: Step) -> Verdict | None:
    ours = [score for score in step.scores if score.engine in OURS]
    theirs = [score for score in step.scores if score.engine not in OURS]
    if not ours or not theirs:
        return None
    best, other = (max(side, key=lambda s: s.value) for side in (ours, theirs))
    return Verdict(step=step, outcome=_outcome(best, other), ours=best, theirs=other)


def _outcome(ours: Score, theirs: Score) -> Literal["loses", "wins", "ties"]:
    if ours.high + TIE < theirs.low:
        return "loses"
    return "wins" if theirs.high + TIE < ours.low else "ties"
