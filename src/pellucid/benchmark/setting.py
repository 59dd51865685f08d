"""Settings of a benchmark run, and the report it ends in."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders import list_distributions
from pellucid.benchmark.machine_load import DISTURBED, Calibration
from pellucid.benchmark.networks import get_network
from pellucid.benchmark.results import CaseResult, Report
from pellucid.benchmark.rounds import BenchmarkConfig, Say
from pellucid.benchmark.trained import weights_file
from pellucid.errors import EngineError
from pellucid.machine import list_versions, load_average
from pellucid.network import Network
from pellucid.network.ports import has_several


def _ignore(line: str) -> None:
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
    say: Say = _ignore
    machine: dict[str, Any] = field(default_factory=dict)

    def make_config(self, **changes: Any) -> BenchmarkConfig:
        """Return the pace; a quick one has shorter turns and fewer rounds."""
        quick = {"rounds": 5, "turn_s": 0.3, "warm_up_s": 0.4} if self.is_quick else {}
        asked = {} if self.rounds is None else {"rounds": self.rounds}
        return BenchmarkConfig(**{**changes, **quick, **asked})

    def make_case(
        self, network: str, batch_size: int, epochs: int = 0, **changes: Any
    ) -> Case:
        """Return a case with weights that have been trained so long."""
        described = get_network(network)
        if has_several(described):
            epochs = self._initial(described, epochs)
        name = f"{described.name}, batch {batch_size}, {_describe_epochs(epochs)}"
        case = Case(
            name=name,
            network=described,
            batch_size=batch_size,
            seed=self.seed,
            **changes,
        )
        if not epochs:
            return case
        self.say(f"{described.name}: weights after {_describe_epochs(epochs)}")
        path = weights_file(described, epochs=epochs, seed=self.seed)
        return case.with_weights(str(path), epochs)

    def _initial(self, network: Network, epochs: int) -> int:
        """Return no epochs: data is random numbers; refuse any that were asked for."""
        if self.trained is not None and epochs:
            raise EngineError(
                "benchmark: a network with several inputs or outputs must have "
                f"initial weights; got '{network.name}' with --trained {epochs}. Leave "
                "it out."
            )
        return 0


def _describe_epochs(epochs: int) -> str:
    return f"{epochs} epoch{'s' * (epochs != 1)}" if epochs else "initial weights"


class Record:
    """What is written down beside the times; ends in a report."""

    def __init__(self, benchmark: str, setting: Setting) -> None:
        self.benchmark, self.setting = benchmark, setting
        self.load_before, self.begun = load_average(), time.time()
        self.calibration = Calibration()
        self.versions = list_versions(list_distributions())

    def report(
        self,
        cases: Iterable[CaseResult],
        *,
        config: BenchmarkConfig | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Report:
        """Return the report of what was measured."""
        results = tuple(cases)
        rounds = [
            t for case in results for timing in case.timings for t in timing.rounds
        ]
        return Report(
            benchmark=self.benchmark,
            cases=results,
            settings={
                "seed": self.setting.seed,
                "is_quick": self.setting.is_quick,
                **(dataclasses.asdict(config) if config else {}),
            },
            machine=self.setting.machine,
            versions=self.versions,
            quiet={
                "begun": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.begun)),
                "took_s": round(time.time() - self.begun, 1),
                "load_before": self.load_before,
                "load_after": load_average(),
                "calibration_best_s": self.calibration.best_s,
                "disturbed_past": DISTURBED,
                "turns": len(rounds),
                "disturbed_turns": sum(round_.is_disturbed for round_ in rounds),
            },
            facts=facts or {},
        )
