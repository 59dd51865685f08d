"""`scaling`: how time and memory grow with batch, threads, size, width."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders import TRAINERS, Contender, select_contenders
from pellucid.benchmark.networks import build_scalable, get_network
from pellucid.benchmark.results import OURS, CaseResult, Report
from pellucid.benchmark.rounds import BenchmarkConfig, BenchmarkRunner
from pellucid.benchmark.setting import Record, Setting
from pellucid.benchmark.statistics import growth_exponent
from pellucid.machine import count_usable_cpus

_CONTENDERS = ("pellucid", "torch")
_CAN_SET_THREADS = ("pellucid", "torch", "tensorflow")  # JAX cannot be told
_ONCE = BenchmarkConfig(rounds=0, warm_up_s=0, rest_s=0, least=1, most=1)
_BATCHES = (16, 32, 64, 128, 256, 512)
_SIZES_PX = (16, 32, 64, 128)
_CHANNELS = (8, 16, 32, 64, 128)


def scaling(setting: Setting) -> Report:
    """Time a training step along four axes, with the memory it needs."""
    record = Record("scaling", setting)
    config = setting.make_config(rounds=3, turn_s=0.4, warm_up_s=0.3)
    contenders = [
        p
        for p in select_contenders(TRAINERS, setting.peers or ("torch",))
        if _is_plain(p)
    ]
    sweeps = {
        "batch size": [
            (b, _make_batch_case(setting, b)) for b in _shorten(_BATCHES, setting)
        ],
        "image area in pixels": [
            (s * s, _make_scalable_case(setting, s, 16))
            for s in _shorten(_SIZES_PX, setting)
        ],
        "channels": [
            (c, _make_scalable_case(setting, 32, c))
            for c in _shorten(_CHANNELS, setting)
        ],
    }
    results: list[CaseResult] = []
    for axis, points in sweeps.items():
        results += _sweep(record, contenders, axis, points, config)
    results += _sweep_threads(record, setting, contenders, config)
    return record.report(results, config=config, facts={"growth": fit_growth(results)})


def fit_growth(results: Iterable[CaseResult]) -> dict[str, Any]:
    """Return how time and memory grow along each axis, for each contender.

    Time by the power of the size: 1 is linear. Memory by the straight line through
    it: a process has a base that does not grow, so a power would say too little.
    """
    points: dict[tuple[str, str], list[tuple[int, float, int]]] = {}
    for case in results:
        for timing in case.timings:
            if timing.rounds and timing.peak_bytes:
                key = case.facts["axis"], timing.contender
                point = case.facts["value"], timing.spread.median, timing.peak_bytes
                points.setdefault(key, []).append(point)
    found: dict[str, Any] = {}
    for (axis, contender), measured in points.items():
        if len(measured) > 1:
            found.setdefault(axis, {})[contender] = _fit_growth(measured)
    return found


def _fit_growth(measured: list[tuple[int, float, int]]) -> dict[str, float]:
    sizes, times, peaks = zip(*measured, strict=True)
    line = statistics.linear_regression(sizes, peaks)
    is_flat = len(set(peaks)) == 1
    return {
        "time_exponent": round(growth_exponent(sizes, times), 3),
        "memory_bytes_per_unit": round(line.slope),
        "memory_base_bytes": round(line.intercept),
        "memory_correlation": 0.0
        if is_flat
        else round(statistics.correlation(sizes, peaks), 4),
    }


def _is_plain(contender: Contender) -> bool:
    return contender.name in _CONTENDERS or contender.framework not in _CONTENDERS


def _shorten(values: tuple[int, ...], setting: Setting) -> tuple[int, ...]:
    return values[:3] if setting.is_quick else values


def _make_batch_case(setting: Setting, batch: int) -> Case:
    network = get_network(setting.network or "mnist-torch")
    return _make_case(setting, network, batch)


def _make_scalable_case(setting: Setting, size_px: int, channels: int) -> Case:
    return _make_case(setting, build_scalable(size_px, channels), 32)


def _make_case(setting: Setting, network: Any, batch: int) -> Case:
    name = f"{network.name}, batch {batch}"
    return Case(
        name=name, network=network, batch_size=batch, seed=setting.seed, batches=2
    )


def _sweep(
    record: Record,
    contenders: list[Contender],
    axis: str,
    points: list[tuple[int, Case]],
    config: BenchmarkConfig,
) -> list[CaseResult]:
    """Run each point in processes of its own, so that its memory is its own.

    A first process compiles: what the compiler holds is not what a step needs.
    """
    results = []
    calibration, say = record.calibration, record.setting.say
    ours = [contender for contender in contenders if contender.framework == OURS]
    for value, case in points:
        with BenchmarkRunner(
            ours, "trainer", calibration=calibration, say=say
        ) as runner:
            runner.run(case, _ONCE)
        with BenchmarkRunner(
            contenders, "trainer", calibration=calibration, say=say
        ) as runner:
            result = runner.run(case, config, measures_memory=True)
        facts = {**result.facts, "axis": axis, "value": value}
        results.append(replace(result, facts=facts))
    return results


def _sweep_threads(
    record: Record,
    setting: Setting,
    contenders: list[Contender],
    config: BenchmarkConfig,
) -> list[CaseResult]:
    results = []
    for threads in range(1, count_usable_cpus() + 1):
        held = [
            replace(contender, options={**contender.options, "threads": threads})
            for contender in contenders
            if contender.framework in _CAN_SET_THREADS
        ]
        case = replace(
            _make_batch_case(setting, 64), name=f"batch 64, {threads} thread(s)"
        )
        results += _sweep(record, held, "threads", [(threads, case)], config)
    return results
