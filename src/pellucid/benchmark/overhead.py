"""`tax`: overhead of an engine over the framework that it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from pellucid.benchmark.overhead_fit import fits
from pellucid.benchmark.peers import TAXED, Peer, installed_frameworks
from pellucid.benchmark.results import (
    CaseResult,
    Report,
    Timing,
    is_ours,
    joined,
)
from pellucid.benchmark.rounds import Field, Pace
from pellucid.benchmark.setting import Record, Setting

#: networks, and the batches of a pass over them
SUITE = (("mnist-torch", 64), ("mnist-keras", 64), ("resnet20", 4))
QUICK = (("mnist-torch", 32),)
_STEPS = 32
_BATCH = 64
#: processes that each peer is timed in, one after another. Where the memory of one lies
#: changes a step's time by as much as an engine may cost, for as long as it lives.
_PROCESSES = 5


def tax(setting: Setting) -> Report:
    """Time the engines beside their bare frameworks: steps, then whole fits.

    A step is on ready batches: of an engine, `Model.train_step`; of its framework, the
    loop that its own people write. A fit is by the recipe: `Model.fit` beside the
    script of `pellucid code`.
    """
    record = Record("tax", setting)
    frameworks = installed_frameworks(setting.peers)
    results = list(_steps(setting, record, frameworks))
    for network in _networks(setting):
        results += fits(setting, record, frameworks, network)
    return record.report(
        results, facts={"tax": {case.name: cost(case) for case in results}}
    )


def cost(case: CaseResult) -> dict[str, Any]:
    """Return how much longer the engine takes than each bare peer: 0.05 is 5 %."""
    return {
        timing.peer: round(1 / spread.median - 1, 3)
        for timing in case.timings
        if not is_ours(timing.peer)
        and (spread := case.ratio_to(timing.peer)) is not None
    }


def _networks(setting: Setting) -> list[str]:
    if setting.network is not None:
        return [setting.network]
    return ["mnist-torch"] if setting.is_quick else ["mnist-torch", "mnist-keras"]


class _Steps(NamedTuple):
    """Passes over ready batches of one network: steps of so many images."""

    network: str
    size: int
    steps: int


def _steps(
    setting: Setting, record: Record, frameworks: list[str]
) -> Iterator[CaseResult]:
    pace = replace(setting.pace(), least=1, warm_calls=0)  # a call is long
    for framework in frameworks:
        again = [
            _in_fresh_processes(setting, record, framework, pace, first=i)
            for i, pace in enumerate(_shares(pace))
        ]
        for case in map(joined, zip(*again, strict=True)):
            name = case.name.rpartition(", ")[0]
            yield replace(
                case,
                name=f"a step on {framework}: {name}",
                facts={**case.facts, "processes": len(again)},
            )


def _shares(pace: Pace) -> list[Pace]:
    """Deal the rounds out to processes."""
    count = min(_PROCESSES, pace.rounds)
    return [
        replace(pace, rounds=len(range(i, pace.rounds, count))) for i in range(count)
    ]


def _in_fresh_processes(
    setting: Setting, record: Record, framework: str, pace: Pace, *, first: int
) -> list[CaseResult]:
    """Time a framework's peers in new processes, ``first`` of them in front."""
    peers: tuple[Peer, ...] = TAXED[framework]
    first %= len(peers)
    turned = peers[first:] + peers[:first]
    field = Field(turned, "trainer", calibration=record.calibration, say=setting.say)
    with field:
        return [
            _per_step(
                field.run(setting.case(network, size, batches=steps), pace), steps
            )
            for network, size, steps in _suite(setting)
        ]


def _suite(setting: Setting) -> list[_Steps]:
    suite = QUICK if setting.is_quick else SUITE
    if setting.network is not None:
        suite = ((setting.network, dict(SUITE).get(setting.network, _STEPS)),)
    sizes = setting.batch_sizes or (_BATCH,)
    return [_Steps(network, size, steps) for network, steps in suite for size in sizes]


def _per_step(case: CaseResult, steps: int) -> CaseResult:
    """Turn the seconds of passes into those of steps."""
    timings = tuple(_divided(timing, steps) for timing in case.timings)
    return replace(case, timings=timings, facts={**case.facts, "steps_a_call": steps})


def _divided(timing: Timing, steps: int) -> Timing:
    turns = tuple(
        replace(turn, times_s=tuple(time / steps for time in turn.times_s))
        for turn in timing.turns
    )
    return replace(timing, turns=turns)
