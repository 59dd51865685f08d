"""`scaling`: how time and memory grow with batch, threads, size, width."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pellucid.benchmark.case import Case
from pellucid.benchmark.networks import named, scalable
from pellucid.benchmark.peers import TRAINERS, Peer, chosen
from pellucid.benchmark.quiet import usable_processors
from pellucid.benchmark.results import OURS, CaseResult, Report
from pellucid.benchmark.rounds import Field, Pace
from pellucid.benchmark.setting import Record, Setting
from pellucid.benchmark.summary import growth

_PEERS = ("pellucid", "torch")
_HELD_TO_THREADS = ("pellucid", "torch", "tensorflow")  # JAX cannot be told
_ONCE = Pace(rounds=0, warm_up_s=0, rest_s=0, least=1, most=1)
_BATCHES = (16, 32, 64, 128, 256, 512)
_SIZES_PX = (16, 32, 64, 128)
_CHANNELS = (8, 16, 32, 64, 128)


def scaling(setting: Setting) -> Report:
    """Time a training step along four axes, with the memory it needs."""
    record = Record("scaling", setting)
    pace = setting.pace(rounds=3, turn_s=0.4, warm_up_s=0.3)
    peers = [p for p in chosen(TRAINERS, setting.peers or ("torch",)) if _plain(p)]
    sweeps = {
        "batch size": [(b, _batch_case(setting, b)) for b in _short(_BATCHES, setting)],
        "image area in pixels": [
            (s * s, _scalable_case(setting, s, 16)) for s in _short(_SIZES_PX, setting)
        ],
        "channels": [
            (c, _scalable_case(setting, 32, c)) for c in _short(_CHANNELS, setting)
        ],
    }
    results: list[CaseResult] = []
    for axis, points in sweeps.items():
        results += _sweep(record, peers, axis, points, pace)
    results += _threads(record, setting, peers, pace)
    return record.report(results, pace=pace, facts={"growth": exponents(results)})


def exponents(results: Iterable[CaseResult]) -> dict[str, Any]:
    """Return how time and memory grow along each axis, for each peer.

    Time by the power of the size: 1 is linear. Memory by the straight line through
    it: a process has a base that does not grow, so a power would say too little.
    """
    points: dict[tuple[str, str], list[tuple[int, float, int]]] = {}
    for case in results:
        for timing in case.timings:
            if timing.turns and timing.peak_bytes:
                key = case.facts["axis"], timing.peer
                point = case.facts["value"], timing.spread.median, timing.peak_bytes
                points.setdefault(key, []).append(point)
    found: dict[str, Any] = {}
    for (axis, peer), measured in points.items():
        if len(measured) > 1:
            found.setdefault(axis, {})[peer] = _growth(measured)
    return found


def _growth(measured: list[tuple[int, float, int]]) -> dict[str, float]:
    sizes, times, peaks = zip(*measured, strict=True)
    line = statistics.linear_regression(sizes, peaks)
    is_flat = len(set(peaks)) == 1
    return {
        "time_exponent": round(growth(sizes, times), 3),
        "memory_bytes_per_unit": round(line.slope),
        "memory_base_bytes": round(line.intercept),
        "memory_correlation": 0.0
        if is_flat
        else round(statistics.correlation(sizes, peaks), 4),
    }


def _plain(peer: Peer) -> bool:
    return peer.name in _PEERS or peer.framework not in _PEERS


def _short(values: tuple[int, ...], setting: Setting) -> tuple[int, ...]:
    return values[:3] if setting.is_quick else values


def _batch_case(setting: Setting, batch: int) -> Case:
    network = named(setting.network or "mnist-torch")
    return _case(setting, network, batch)


def _scalable_case(setting: Setting, size_px: int, channels: int) -> Case:
    return _case(setting, scalable(size_px, channels), 32)


def _case(setting: Setting, network: Any, batch: int) -> Case:
    name = f"{network.name}, batch {batch}"
    return Case(
        name=name, network=network, batch_size=batch, seed=setting.seed, batches=2
    )


def _sweep(
    record: Record,
    peers: list[Peer],
    axis: str,
    points: list[tuple[int, Case]],
    pace: Pace,
) -> list[CaseResult]:
    """Run each point in processes of its own, so that its memory is its own.

    A first process compiles: what the compiler holds is not what a step needs.
    """
    results = []
    calibration, say = record.calibration, record.setting.say
    ours = [peer for peer in peers if peer.framework == OURS]
    for value, case in points:
        with Field(ours, "trainer", calibration=calibration, say=say) as field:
            field.run(case, _ONCE)
        with Field(peers, "trainer", calibration=calibration, say=say) as field:
            result = field.run(case, pace, measures_memory=True)
        facts = {**result.facts, "axis": axis, "value": value}
        results.append(replace(result, facts=facts))
    return results


def _threads(
    record: Record, setting: Setting, peers: list[Peer], pace: Pace
) -> list[CaseResult]:
    results = []
    for threads in range(1, usable_processors() + 1):
        held = [
            replace(peer, options={**peer.options, "threads": threads})
            for peer in peers
            if peer.framework in _HELD_TO_THREADS
        ]
        case = replace(_batch_case(setting, 64), name=f"batch 64, {threads} thread(s)")
        results += _sweep(record, held, "threads", [(threads, case)], pace)
    return results
