"""Settings of a benchmark run, and the report it ends in."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pellucid.benchmark.case import Case
from pellucid.benchmark.networks import named
from pellucid.benchmark.peers import versions_installed
from pellucid.benchmark.quiet import DISTURBED, Calibration, load
from pellucid.benchmark.results import CaseResult, Report
from pellucid.benchmark.rounds import Pace, Say
from pellucid.benchmark.trained import weights_file


def _silent(line: str) -> None:
    del line


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a person asked for; None leaves it to the benchmark.

    Attributes
    ----------
    network : str, optional
        A name of the zoo, ``mnist-torch-leaky``, or a file.
    batch_sizes : tuple of int, optional
    peers : tuple of str, optional
        Names or frameworks.
    rounds : int, optional
    trained : tuple of int, optional
        Epochs that the weights have been through.
    is_quick : bool
        Fewer cases and rounds: under three minutes.
    seed, epochs : int
        ``epochs`` is the length of the fit that is timed.
    say : callable
        Takes lines for people.
    """

    network: str | None = None
    batch_sizes: tuple[int, ...] | None = None
    peers: tuple[str, ...] | None = None
    rounds: int | None = None
    trained: tuple[int, ...] | None = None
    is_quick: bool = False
    seed: int = 0
    epochs: int | None = None
    say: Say = _silent
    machine: dict[str, Any] = field(default_factory=dict)

    def pace(self, **changes: Any) -> Pace:
        """Return the pace; a quick one has shorter turns and fewer rounds."""
        quick = {"rounds": 5, "turn_s": 0.3, "warm_up_s": 0.4} if self.is_quick else {}
        asked = {} if self.rounds is None else {"rounds": self.rounds}
        return Pace(**{**changes, **quick, **asked})

    def case(
        self, network: str, batch_size: int, epochs: int = 0, **changes: Any
    ) -> Case:
        """Return a case with weights that have been trained so long."""
        described = named(network)
        name = f"{described.name}, batch {batch_size}, {_ago(epochs)}"
        case = Case(
            name=name,
            network=described,
            batch_size=batch_size,
            seed=self.seed,
            **changes,
        )
        if not epochs:
            return case
        self.say(f"{described.name}: weights after {_ago(epochs)}")
        path = weights_file(described, epochs=epochs, seed=self.seed)
        return case.with_weights(str(path), epochs)


def _ago(epochs: int) -> str:
    return f"{epochs} epoch{'s' * (epochs != 1)}" if epochs else "initial weights"


class Record:
    """What is written down beside the times; ends in a report."""

    def __init__(self, benchmark: str, setting: Setting) -> None:
        self.benchmark, self.setting = benchmark, setting
        self.load_before, self.begun = load(), time.time()
        self.calibration = Calibration()
        self.versions = versions_installed()

    def report(
        self,
        cases: Iterable[CaseResult],
        *,
        pace: Pace | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Report:
        """Return the report of what was measured."""
        results = tuple(cases)
        turns = [t for case in results for timing in case.timings for t in timing.turns]
        return Report(
            benchmark=self.benchmark,
            cases=results,
            settings={
                "seed": self.setting.seed,
                "is_quick": self.setting.is_quick,
                **(dataclasses.asdict(pace) if pace else {}),
            },
            machine=self.setting.machine,
            versions=self.versions,
            quiet={
                "begun": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.begun)),
                "took_s": round(time.time() - self.begun, 1),
                "load_before": self.load_before,
                "load_after": load(),
                "calibration_best_s": self.calibration.best_s,
                "disturbed_past": DISTURBED,
                "turns": len(turns),
                "disturbed_turns": sum(turn.is_disturbed for turn in turns),
            },
            facts=facts or {},
        )
