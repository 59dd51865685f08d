"""Results of a benchmark as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pellucid.benchmark.summary import Spread, percentile, quartiles, ratio

SCHEMA_VERSION = 1
OURS = "pellucid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one peer did in one round.

    Attributes
    ----------
    times_s : tuple of float
        Seconds of each call.
    slowdown : float
        How much longer the calibrating work took around it than at best.
    is_disturbed : bool
        Whether that is past the limit.
    idle_cpu_s : float
        Processor seconds the peer used since its last turn, while others were timed.
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
    """One peer in one case: its turns, or why it has none."""

    peer: str
    turns: tuple[Turn, ...] = ()
    peak_bytes: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None

    @property
    def times_s(self) -> list[float]:
        """Every call's seconds, over all rounds."""
        return [time for turn in self.turns for time in turn.times_s]

    @property
    def spread(self) -> Spread:
        """Median and quartiles of all calls, in seconds."""
        return quartiles(self.times_s)

    @property
    def disturbed_count(self) -> int:
        """How many rounds were disturbed."""
        return sum(turn.is_disturbed for turn in self.turns)

    def to_json(self) -> dict[str, Any]:
        """Return the timing as plain values."""
        document: dict[str, Any] = {"peer": self.peer, "failure": self.failure}
        if self.turns:
            spread = self.spread
            document |= {
                "median_s": spread.median,
                "first_quartile_s": spread.low,
                "third_quartile_s": spread.high,
                "p95_s": percentile(self.times_s, 0.95),
                "calls": len(self.times_s),
                "rounds_s": [turn.median_s for turn in self.turns],
                "rounds_slowdown": [round(turn.slowdown, 3) for turn in self.turns],
                "disturbed_rounds": self.disturbed_count,
                "idle_cpu_s": round(sum(turn.idle_cpu_s for turn in self.turns), 4),
            }
        return document | {"peak_bytes": self.peak_bytes, **self.extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """All peers in one case."""

    name: str
    timings: tuple[Timing, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def timing(self, peer: str) -> Timing | None:
        """Return a peer's timing, if it has one."""
        found = (t for t in self.timings if t.peer == peer and t.turns)
        return next(found, None)

    @property
    def ours(self) -> Timing | None:
        """The fastest of pellucid's own timings."""
        return _fastest(t for t in self.timings if is_ours(t.peer))

    @property
    def best_peer(self) -> Timing | None:
        """The fastest of the others."""
        return _fastest(t for t in self.timings if not is_ours(t.peer))

    def ratio_to(self, peer: str) -> Spread | None:
        """Return how many times as long a peer takes as pellucid."""
        theirs, ours = self.timing(peer), self.ours
        if theirs is None or ours is None or len(theirs.turns) != len(ours.turns):
            return None
        return ratio(
            [turn.median_s for turn in theirs.turns],
            [turn.median_s for turn in ours.turns],
        )

    def to_json(self) -> dict[str, Any]:
        """Return the case as plain values."""
        ratios = {t.peer: self.ratio_to(t.peer) for t in self.timings}
        best = self.best_peer
        return {
            "name": self.name,
            **self.facts,
            "timings": [timing.to_json() for timing in self.timings],
            "ratios": {
                peer: {"low": r.low, "median": r.median, "high": r.high}
                for peer, r in ratios.items()
                if r is not None and not is_ours(peer)
            },
            "best_peer": best.peer if best else None,
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


def joined(cases: Sequence[CaseResult]) -> CaseResult:
    """Return one case that was measured several times, with the turns of all.

    The peers keep the order of the first. One that failed at any time has failed.
    """
    first = cases[0]
    timings = [
        [t for case in cases for t in case.timings if t.peer == timing.peer]
        for timing in first.timings
    ]
    return replace(first, timings=tuple(map(_joined, timings)))


def _joined(timings: Sequence[Timing]) -> Timing:
    failed = next((timing for timing in timings if timing.failure), None)
    if failed is not None:
        return failed
    turns = tuple(turn for timing in timings for turn in timing.turns)
    return replace(timings[0], turns=turns)


def is_ours(peer: str) -> bool:
    """Return whether a peer is pellucid, with whatever threads."""
    return peer == OURS or peer.startswith(f"{OURS} ")


def _fastest(timings: Any) -> Timing | None:
    measured = [timing for timing in timings if timing.turns]
    return min(measured, key=lambda t: t.spread.median, default=None)
