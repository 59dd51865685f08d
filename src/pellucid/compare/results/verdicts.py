"""Measurements where our own engines lose, win and draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pellucid.compare.results.ranking import TIE
from pellucid.compare.results.results_file import Results
from pellucid.compare.results.scores import MetricScores, Score, score_metrics
from pellucid.engines.registry import OURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One of our engines against the best of the frameworks in one figure."""

    step: MetricScores
    outcome: Literal["loses", "wins", "ties"]
    ours: Score
    theirs: Score

    @property
    def factor(self) -> float | None:
        """How many times as good the better one is; None where one has nothing."""
        low, high = sorted((self.ours.value, self.theirs.value))
        return high / low if low > 0 else None


def list_verdicts(results: Results) -> list[Verdict]:
    """Return a verdict for each of our engines, in each figure that both sides have.

    Where both have failed neither is level, ahead or behind: there is no verdict.
    The losses come first; within them engine by engine, the clearest first.
    """
    found = [verdict for step in score_metrics(results) for verdict in _judge(step)]
    order = {"loses": 0, "ties": 1, "wins": 2}
    return sorted(
        found,
        key=lambda v: (
            order[v.outcome],
            OURS.index(v.ours.engine),
            -(v.factor or float("inf")),
        ),
    )


def _judge(step: MetricScores) -> Iterator[Verdict]:
    theirs = [score for score in step.scores if score.engine not in OURS]
    if not theirs:
        return
    best = max(theirs, key=lambda score: score.value)
    for ours in step.scores:
        has_failed_too = ours.value == best.value == 0
        if ours.engine in OURS and not has_failed_too:
            outcome = _decide(ours, best)
            yield Verdict(step=step, outcome=outcome, ours=ours, theirs=best)


def _decide(ours: Score, theirs: Score) -> Literal["loses", "wins", "ties"]:
    if ours.high + TIE < theirs.low:
        return "loses"
    return "wins" if theirs.high + TIE < ours.low else "ties"
