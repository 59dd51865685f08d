"""`tax`: overhead of an engine over the framework that it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from pellucid.benchmark.contenders import OVERHEAD, Contender, select_frameworks
from pellucid.benchmark.overhead_fit import time_fits
from pellucid.benchmark.results import CaseResult, Report, Timing, is_ours, join_cases
from pellucid.benchmark.rounds import BenchmarkConfig, BenchmarkRunner
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
    frameworks = select_frameworks(setting.peers)
    results = list(_time_steps(setting, record, frameworks))
    for network in _list_networks(setting):
        results += time_fits(setting, record, frameworks, network)
    return record.report(
        results, facts={"tax": {case.name: compute_overhead(case) for case in results}}
    )


def compute_overhead(case: CaseResult) -> dict[str, Any]:
    """Return how much longer the engine takes than each bare contender: 0.05 is 5 %."""
    return {
        timing.contender: round(1 / spread.median - 1, 3)
        for timing in case.timings
        if not is_ours(timing.contender)
        and (spread := case.ratio_to(timing.contender)) is not None
    }


def _list_networks(setting: Setting) -> list[str]:
    if setting.network is not None:
        return [setting.network]
    return ["mnist-torch"] if setting.is_quick else ["mnist-torch", "mnist-keras"]


class _Pass(NamedTuple):
    """Passes over ready batches of one network: steps of so many images."""

    network: str
    size: int
    steps: int


def _time_steps(
    setting: Setting, record: Record, frameworks: list[str]
) -> Iterator[CaseResult]:
    config = replace(setting.make_config(), least=1, warm_calls=0)  # a call is long
    for framework in frameworks:
        again = [
            _run_in_fresh_processes(setting, record, framework, config, first=i)
            for i, config in enumerate(_share_rounds(config))
        ]
        for case in map(join_cases, zip(*again, strict=True)):
            name = case.name.rpartition(", ")[0]
            yield replace(
                case,
                name=f"a step on {framework}: {name}",
                facts={**case.facts, "processes": len(again)},
            )


def _share_rounds(config: BenchmarkConfig) -> list[BenchmarkConfig]:
    """Deal the rounds out to processes."""
    count = min(_PROCESSES, config.rounds)
    return [
        replace(config, rounds=len(range(i, config.rounds, count)))
        for i in range(count)
    ]


def _run_in_fresh_processes(
    setting: Setting,
    record: Record,
    framework: str,
    config: BenchmarkConfig,
    *,
    first: int,
) -> list[CaseResult]:
    """Time a framework's contenders in new processes, ``first`` of them in front."""
    contenders: tuple[Contender, ...] = OVERHEAD[framework]
    first %= len(contenders)
    turned = contenders[first:] + contenders[:first]
    runner = BenchmarkRunner(
        turned, "trainer", calibration=record.calibration, say=setting.say
    )
    with runner:
        return [
            _per_step(
                runner.run(setting.make_case(network, size, batches=steps), config),
                steps,
            )
            for network, size, steps in _suite(setting)
        ]


def _suite(setting: Setting) -> list[_Pass]:
    suite = QUICK if setting.is_quick else SUITE
    if setting.network is not None:
        suite = ((setting.network, dict(SUITE).get(setting.network, _STEPS)),)
    sizes = setting.batch_sizes or (_BATCH,)
    return [_Pass(network, size, steps) for network, steps in suite for size in sizes]


def _per_step(case: CaseResult, steps: int) -> CaseResult:
    """Turn the seconds of passes into those of steps."""
    timings = tuple(_divide(timing, steps) for timing in case.timings)
    return replace(case, timings=timings, facts={**case.facts, "steps_a_call": steps})


def _divide(timing: Timing, steps: int) -> Timing:
    rounds = tuple(
        replace(round_, times_s=tuple(time / steps for time in round_.times_s))
        for round_ in timing.rounds
    )
    return replace(timing, rounds=rounds)
