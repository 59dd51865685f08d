"""Interleaved rounds: contenders alternate, A B C, A B C, …"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pellucid.benchmark.case import Case
from pellucid.benchmark.contender_process import ContenderFailure, ContenderProcess
from pellucid.benchmark.contenders import Contender
from pellucid.benchmark.machine_load import DISTURBED, Calibration
from pellucid.benchmark.results import CaseResult, Round, Timing
from pellucid.benchmark.statistics import quartiles

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkConfig:
    """How long a benchmark takes.

    Attributes
    ----------
    rounds : int
        Turns of each contender.
    turn_s : float
        About so long is a turn.
    warm_up_s : float
        About so long each contender runs before the first round; none of it counts.
    rest_s : float
        Pause before each turn, in which the last contender's threads go to sleep.
    least, most : int
        Calls of a turn.
    warm_calls : int
        Calls at the beginning of a turn that do not count: other processes have used
        the caches.
    """

    rounds: int = 10
    turn_s: float = 0.6
    warm_up_s: float = 1.0
    rest_s: float = 0.05
    least: int = 5
    most: int = 500
    warm_calls: int = 3

    def calls(self, seconds: float, *, within: float) -> int:
        """Return how many calls fit, where one takes so many seconds."""
        return max(self.least, min(self.most, round(within / max(seconds, 1e-9))))


@dataclass
class _Participant:
    """A contender that takes part: its process, and what it has done in this case."""

    process: ContenderProcess
    task: str
    calls: int = 0
    rounds: list[Round] = field(default_factory=list)
    failure: str | None = None
    first_call_s: float = 0.0


class BenchmarkRunner:
    """The processes of all contenders, kept over several cases.

    Parameters
    ----------
    contenders : sequence of Contender
    task : {"trainer", "predictor"}
    calibration : Calibration
    say : callable
        Takes a line for people.
    """

    def __init__(
        self,
        contenders: Sequence[Contender],
        task: str,
        *,
        calibration: Calibration,
        say: Say,
    ) -> None:
        self._entries = [
            _Participant(ContenderProcess(contender), task) for contender in contenders
        ]
        self._calibration, self._say = calibration, say

    def __enter__(self) -> BenchmarkRunner:
        return self

    def __exit__(self, *_: object) -> None:
        for entry in self._entries:
            entry.process.close()

    def load(self) -> None:
        """Let all contenders import their packages at once; else each does so in turn.

        One that fails here fails again, with its reason, when it prepares.
        """
        for entry in self._entries:
            entry.process.start_import()
        for entry in self._entries:
            with contextlib.suppress(ContenderFailure):
                entry.process.finish_import()

    def run(
        self, case: Case, config: BenchmarkConfig, *, measures_memory: bool = False
    ) -> CaseResult:
        """Prepare all contenders, warm them up, and time them in rounds.

        A contender that fails is reported with its reason and left out of the rounds.
        """
        for entry in self._entries:
            self._prepare(entry, case, config)
        for i in range(config.rounds):
            self._say(f"{case.name}: round {i + 1} of {config.rounds}")
            for entry in self._entries:
                self._run_round(entry, config)
        timings = tuple(self._timing(entry, measures_memory) for entry in self._entries)
        return CaseResult(name=case.name, timings=timings, facts=case.facts())

    def _prepare(
        self, entry: _Participant, case: Case, config: BenchmarkConfig
    ) -> None:
        contender = entry.process.contender
        if not entry.process.is_alive:
            entry.failure = entry.failure or "its process has ended."
            return
        entry.rounds, entry.failure = [], None
        self._say(f"{case.name}: {contender.name} prepares")
        try:
            entry.first_call_s = entry.process.prepare(entry.task, case)
            entry.calls = self._warm_up(entry, config)
        except ContenderFailure as failure:
            self._fail(entry, failure)

    def _warm_up(self, entry: _Participant, config: BenchmarkConfig) -> int:
        """Run without counting; return how many calls make a turn."""
        first = entry.process.run(config.least)["times_s"]
        count = config.calls(quartiles(first).median, within=config.warm_up_s)
        times = entry.process.run(count)["times_s"]
        return config.calls(quartiles(times).median, within=config.turn_s)

    def _run_round(self, entry: _Participant, config: BenchmarkConfig) -> None:
        if entry.failure:
            return
        time.sleep(config.rest_s)
        before = self._calibration.slowdown()
        try:
            answer = entry.process.run(entry.calls, warm=config.warm_calls)
        except ContenderFailure as failure:
            self._fail(entry, failure)
            return
        slowdown = max(before, self._calibration.slowdown())
        round_ = Round(
            times_s=tuple(answer["times_s"]),
            slowdown=slowdown,
            is_disturbed=slowdown > DISTURBED,
            idle_cpu_s=answer["idle_cpu_s"],
        )
        entry.rounds.append(round_)

    def _fail(self, entry: _Participant, failure: ContenderFailure) -> None:
        entry.failure, entry.rounds = str(failure), []
        self._say(f"left out: {failure}")

    def _timing(self, entry: _Participant, measures_memory: bool) -> Timing:
        timing = Timing(
            contender=entry.process.contender.name,
            rounds=tuple(entry.rounds),
            failure=entry.failure,
        )
        if entry.failure:
            return timing
        extra = {"first_call_s": entry.first_call_s}
        peak = None
        if measures_memory:
            peak = entry.process.peak_bytes()
        return replace(timing, peak_bytes=peak, extra=extra)
