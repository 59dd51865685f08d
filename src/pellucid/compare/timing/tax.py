"""This file is `tax`: what an engine costs over the framework that it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pellucid.compare.timing.peers import TAXED, Peer, installed_frameworks
from pellucid.compare.timing.results import CaseResult, Report, Timing, is_ours
from pellucid.compare.timing.rounds import Field
from pellucid.compare.timing.setting import Record, Setting
from pellucid.compare.timing.tax_fit import fits

#: networks, and the batches of a pass over them
SUITE = (("mnist-torch", 64), ("mnist-keras", 64), ("resnet20", 4))
QUICK = (("mnist-torch", 32),)
_STEPS = 32
_BATCH = 64


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


def _steps(
    setting: Setting, record: Record, frameworks: list[str]
) -> Iterator[CaseResult]:
    suite = QUICK if setting.is_quick else SUITE
    if setting.network is not None:
        suite = ((setting.network, dict(SUITE).get(setting.network, _STEPS)),)
    pace = replace(setting.pace(), least=1, warm_calls=0)  # a call is long
    for framework in frameworks:
        peers: tuple[Peer, ...] = TAXED[framework]
        field = Field(peers, "trainer", calibration=record.calibration, say=setting.say)
        with field:
            for network, steps in suite:
                for size in setting.batch_sizes or (_BATCH,):
                    case = setting.case(network, size, batches=steps)
                    result = field.run(case, pace)
                    yield _named(_per_step(result, steps), f"a step on {framework}")


def _named(case: CaseResult, what: str) -> CaseResult:
    return replace(case, name=f"{what}: {case.name.rpartition(', ')[0]}")


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
