"""What a search found: a record for each trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One trial.

    Parameters
    ----------
    number : int
        From 1, in the order in which they began.
    state : {"complete", "pruned", "failed"}
        Pruned: ended early, as it fell behind the others. Failed: the settings do not
        fit, or the training diverged.
    values : mapping of str to value
        The settings, by key of the recipe.
    score : float or None
        Mean over the seeds of the metric on the held-out images.
    scores : tuple of float
        Of each seed.
    seconds : float
        Of training, all seeds.
    reason : str
        Why it failed.
    """

    number: int
    state: State
    values: Mapping[str, Any]
    score: float | None
    scores: tuple[float, ...] = ()
    seconds: float = 0.0
    reason: str = ""

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds; None of a single one."""
        if len(self.scores) < 2:
            return None
        mean = sum(self.scores) / len(self.scores)
        squares = sum((score - mean) ** 2 for score in self.scores)
        return float((squares / (len(self.scores) - 1)) ** 0.5)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        return {
            "number": self.number,
            "state": self.state,
            "values": dict(self.values),
            "score": self.score,
            "scores": list(self.scores),
            "spread": self.spread,
            "seconds": self.seconds,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOutcome:
    """All trials of a study, those of other processes included.

    Parameters
    ----------
    metric : str
        What was looked at, as in ``val_accuracy``.
    is_maximized : bool
        Whether more is better.
    trials : tuple of TrialRecord
        In order of their numbers.
    """

    metric: str
    is_maximized: bool
    trials: tuple[TrialRecord, ...]

    @property
    def ranked(self) -> tuple[TrialRecord, ...]:
        """The complete trials, best first."""
        complete = [t for t in self.trials if t.state == "complete"]
        sign = -1 if self.is_maximized else 1
        return tuple(sorted(complete, key=lambda trial: sign * (trial.score or 0.0)))

    @property
    def best(self) -> TrialRecord | None:
        """The best complete trial; None where there is none."""
        return self.ranked[0] if self.ranked else None
