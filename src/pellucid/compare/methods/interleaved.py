"""Interleaved timing of the engines of a criterion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders import Contender
from pellucid.benchmark.machine_load import Calibration
from pellucid.benchmark.results import Round, Timing
from pellucid.benchmark.rounds import BenchmarkConfig, BenchmarkRunner
from pellucid.benchmark.statistics import Spread, quartiles
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.subject import get_network
from pellucid.compare.task import Task

#: so many quiet rounds, or half of them where there are fewer, give a median
_LEAST_QUIET = 3
EngineMeasurements = dict[str, list[Measurement] | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContenderTiming:
    """One contender at one size of batch."""

    contender: Contender
    batch: int
    timing: Timing

    @property
    def first_call_s(self) -> float:
        """The first call, with what it compiles."""
        return float(self.timing.extra["first_call_s"])

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The rounds that count: the undisturbed ones; all where none was."""
        steady = tuple(
            round_ for round_ in self.timing.rounds if not round_.is_disturbed
        )
        return steady or self.timing.rounds

    @property
    def is_disturbed(self) -> bool:
        """Whether too few rounds were quiet: the others are left out."""
        rounds = len(self.timing.rounds)
        return rounds - self.timing.disturbed_count < min(_LEAST_QUIET, rounds / 2)

    @property
    def times_s(self) -> list[float]:
        """Every call's seconds, over the rounds that count."""
        return [time for round_ in self.rounds for time in round_.times_s]

    @property
    def spread(self) -> Spread:
        """Median and quartiles of these calls, in seconds."""
        return quartiles(self.times_s)

    @property
    def note(self) -> str:
        """What disturbed it, if something did."""
        count, rounds = self.timing.disturbed_count, len(self.timing.rounds)
        left = "left out" if count < rounds else "none was quiet"
        disturbed = f"; {count} of {rounds} rounds disturbed, {left}" if count else ""
        return f"median and quartiles over {rounds} rounds in turns{disturbed}"


def find_fastest(timed: Iterable[ContenderTiming]) -> ContenderTiming | None:
    """Return the fastest of an engine's modes; a disturbed one only among such."""
    done = [one for one in timed if one.timing.rounds]
    return min(
        done, key=lambda one: (one.is_disturbed, one.spread.median), default=None
    )


def describe_modes(timed: Iterable[ContenderTiming]) -> str:
    """Return in words which modes an engine's fastest was taken from."""
    words = [one.contender.mode for one in timed if one.timing.rounds]
    return f"the fastest of {' / '.join(words)}" if len(words) > 1 else "its one mode"


def time_interleaved(
    tasks: Sequence[Task],
    contenders: Sequence[Contender],
    kind: str,
    *,
    batches: Iterable[int],
    config: BenchmarkConfig,
) -> list[ContenderTiming]:
    """Time contenders in rounds, at each size of batch.

    Parameters
    ----------
    tasks : sequence of Task
        Of all engines; network, data and seed are the same in each.
    contenders : sequence of Contender
    kind : {"trainer", "predictor"}
    batches : iterable of int
    config : BenchmarkConfig
    """
    task, found = tasks[0], []
    with BenchmarkRunner(
        contenders, kind, calibration=Calibration(), say=_ignore
    ) as runner:
        runner.load()
        for batch in batches:
            result = runner.run(make_case(task, batch), config)
            found += [
                ContenderTiming(contender=contender, batch=batch, timing=timing)
                for contender, timing in zip(contenders, result.timings, strict=True)
            ]
    return found


def make_case(task: Task, batch: int, **more: Any) -> Case:
    """Return a task's network and data at a size of batch."""
    network = get_network(task)
    return Case(
        name=f"{network.name}, batch {batch}",
        network=network,
        batch_size=batch,
        seed=task.seed,
        data=task.data,
        batches=8,
        **more,
    )


def _ignore(line: str) -> None:
    del line
