"""Results of a benchmark as data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pellucid.benchmark.statistics import Spread, paired_ratio, percentile, quartiles

SCHEMA_VERSION = 1
OURS = "pellucid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one contender did in one round.

    Attributes
    ----------
    times_s : tuple of float
        Seconds of each call.
    slowdown : float
        How much longer the calibrating work took around it than at best.
    is_disturbed : bool
        Whether that is past the limit.
    idle_cpu_s : float
        Processor seconds that the contender used since its last turn.
    """

    times_s: tuple[float, ...]
    slowdown: float = 0.0
    is_disturbed: bool = False
    idle_cpu_s: float = 0.0

    @property
    def median_s(self) -> float:
        """The median of the calls."""
        return quartiles(self.times_s).median


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One contender in one case: its turns, or why it has none."""

    contender: str
    rounds: tuple[Round, ...] = ()
    peak_bytes: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None

    @property
    def times_s(self) -> list[float]:
        """Every call's seconds, over all rounds."""
        return [time for round_ in self.rounds for time in round_.times_s]

    @property
    def spread(self) -> Spread:
        """Median and quartiles of all calls, in seconds."""
        return quartiles(self.times_s)

    @property
    def disturbed_count(self) -> int:
        """How many rounds were disturbed."""
        return sum(round_.is_disturbed for round_ in self.rounds)

    @property
    def peer(self) -> str:
        """The contender, by its name in 0.1."""
        warnings.warn(
            "Timing.peer is Timing.contender now; the former name goes with the next "
            "version.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.contender

    def to_json(self) -> dict[str, Any]:
        """Return the timing as plain values."""
        document: dict[str, Any] = {"peer": self.contender, "failure": self.failure}
        if self.rounds:
            spread = self.spread
            document |= {
                "median_s": spread.median,
                "first_quartile_s": spread.low,
                "third_quartile_s": spread.high,
                "p95_s": percentile(self.times_s, 0.95),
                "calls": len(self.times_s),
                "rounds_s": [round_.median_s for round_ in self.rounds],
                "rounds_slowdown": [
                    round(round_.slowdown, 3) for round_ in self.rounds
                ],
                "disturbed_rounds": self.disturbed_count,
                "idle_cpu_s": round(
                    sum(round_.idle_cpu_s for round_ in self.rounds), 4
                ),
            }
        return document | {"peak_bytes": self.peak_bytes, **self.extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """All contenders in one case."""

    name: str
    timings: tuple[Timing, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def timing(self, contender: str) -> Timing | None:
        """Return a contender's timing, if it has one."""
        found = (t for t in self.timings if t.contender == contender and t.rounds)
        return next(found, None)

    @property
    def ours(self) -> Timing | None:
        """The fastest of pellucid's own timings."""
        return _fastest(t for t in self.timings if is_ours(t.contender))

    @property
    def best_contender(self) -> Timing | None:
        """The fastest of the others."""
        return _fastest(t for t in self.timings if not is_ours(t.contender))

    def ratio_to(self, contender: str) -> Spread | None:
        """Return how many times as long a contender takes as pellucid."""
        theirs, ours = self.timing(contender), self.ours
        if theirs is None or ours is None or len(theirs.rounds) != len(ours.rounds):
            return None
        return paired_ratio(
            [round_.median_s for round_ in theirs.rounds],
            [round_.median_s for round_ in ours.rounds],
        )

    def to_json(self) -> dict[str, Any]:
        """Return the case as plain values."""
        ratios = {t.contender: self.ratio_to(t.contender) for t in self.timings}
        best = self.best_contender
        return {
            "name": self.name,
            **self.facts,
            "timings": [timing.to_json() for timing in self.timings],
            "ratios": {
                contender: {"low": r.low, "median": r.median, "high": r.high}
                for contender, r in ratios.items()
                if r is not None and not is_ours(contender)
            },
            "best_peer": best.contender if best else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole benchmark: cases, settings, machine, versions, and how quiet it was."""

    benchmark: str
    cases: tuple[CaseResult, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    quiet: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values, schema_version first."""
        return {
            "schema_version": SCHEMA_VERSION,
            "benchmark": self.benchmark,
            "settings": self.settings,
            "machine": self.machine,
            "versions": self.versions,
            "quiet": self.quiet,
            "facts": self.facts,
            "cases": [case.to_json() for case in self.cases],
        }


def join_cases(cases: Sequence[CaseResult]) -> CaseResult:
    """Return one case that was measured several times, with the turns of all.

    The contenders keep the order of the first. One that failed at any time has failed.
    """
    first = cases[0]
    timings = [
        [t for case in cases for t in case.timings if t.contender == timing.contender]
        for timing in first.timings
    ]
    return replace(first, timings=tuple(map(_join_timings, timings)))


def _join_timings(timings: Sequence[Timing]) -> Timing:
    failed = next((timing for timing in timings if timing.failure), None)
    if failed is not None:
        return failed
    rounds = tuple(round_ for timing in timings for round_ in timing.rounds)
    return replace(timings[0], rounds=rounds)


def is_ours(contender: str) -> bool:
    """Return whether a contender is pellucid, with whatever threads."""
    return contender == OURS or contender.startswith(f"{OURS} ")


def _fastest(timings: Any) -> Timing | None:
    measured = [timing for timing in timings if timing.rounds]
    return min(measured, key=lambda t: t.spread.median, default=None)
