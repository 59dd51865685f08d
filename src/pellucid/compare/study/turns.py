"""Interleaved timing of the engines of a criterion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.benchmark.case import Case
from pellucid.benchmark.quiet import Calibration
from pellucid.benchmark.results import Timing, Turn
from pellucid.benchmark.rounds import Field, Pace
from pellucid.benchmark.summary import Spread, quartiles
from pellucid.compare.study.figure import Figure
from pellucid.compare.study.peers import Variant
from pellucid.compare.study.subject import network_of
from pellucid.compare.study.task import Task

Together = dict[str, list[Figure] | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One variant at one size of batch."""

    variant: Variant
    batch: int
    timing: Timing

    @property
    def first_call_s(self) -> float:
        """The first call, with what it compiles."""
        return float(self.timing.extra["first_call_s"])

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The rounds that count: the undisturbed ones; all where none was."""
        steady = tuple(turn for turn in self.timing.turns if not turn.is_disturbed)
        return steady or self.timing.turns

    @property
    def is_disturbed(self) -> bool:
        """Whether something else ran in most of the rounds."""
        return 2 * self.timing.disturbed_count > len(self.timing.turns)

    @property
    def times_s(self) -> list[float]:
        """Every call's seconds, over the rounds that count."""
        return [time for turn in self.turns for time in turn.times_s]

    @property
    def spread(self) -> Spread:
        """Median and quartiles of these calls, in seconds."""
        return quartiles(self.times_s)

    @property
    def note(self) -> str:
        """What disturbed it, if something did."""
        count, rounds = self.timing.disturbed_count, len(self.timing.turns)
        left = "left out" if count < rounds else "none was quiet"
        disturbed = f"; {count} of {rounds} rounds disturbed, {left}" if count else ""
        return f"median and quartiles over {rounds} rounds in turns{disturbed}"


def fastest(timed: Iterable[Timed]) -> Timed | None:
    """Return the fastest of an engine's modes; a disturbed one only among such."""
    done = [one for one in timed if one.timing.turns]
    return min(
        done, key=lambda one: (one.is_disturbed, one.spread.median), default=None
    )


def modes_of(timed: Iterable[Timed]) -> str:
    """Return in words which modes an engine's fastest was taken from."""
    words = [one.variant.word for one in timed if one.timing.turns]
    return f"the fastest of {' / '.join(words)}" if len(words) > 1 else "its one mode"


def take_turns(
    tasks: Sequence[Task],
    variants: Sequence[Variant],
    kind: str,
    *,
    batches: Iterable[int],
    pace: Pace,
) -> list[Timed]:
    """Time variants in rounds, at each size of batch.

    Parameters
    ----------
    tasks : sequence of Task
        Of all engines; network, data and seed are the same in each.
    variants : sequence of Variant
    kind : {"trainer", "predictor"}
    batches : iterable of int
    pace : Pace
    """
    task, found = tasks[0], []
    peers = [variant.peer for variant in variants]
    with Field(peers, kind, calibration=Calibration(), say=_silent) as field:
        field.load()
        for batch in batches:
            result = field.run(case(task, batch), pace)
            found += [
                Timed(variant=variant, batch=batch, timing=timing)
                for variant, timing in zip(variants, result.timings, strict=True)
            ]
    return found


def case(task: Task, batch: int, **more: Any) -> Case:
    """Return a task's network and data at a size of batch."""
    network = network_of(task)
    return Case(
        name=f"{network.name}, batch {batch}",
        network=network,
        batch_size=batch,
        seed=task.seed,
        data=task.data,
        batches=8,
        **more,
    )


def _silent(line: str) -> None:
    del line
