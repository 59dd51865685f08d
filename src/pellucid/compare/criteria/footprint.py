"""`footprint`: what does it cost to have?"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from pellucid.benchmark.contender_process import ContenderProcess
from pellucid.benchmark.contenders import (
    INFERENCE_MODES,
    TRAINING_MODES,
    Contender,
    select_modes,
)
from pellucid.benchmark.start_up import list_requirements, measure_size
from pellucid.benchmark.statistics import quartiles
from pellucid.compare.criteria.criterion import Chart, Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.interleaved import make_case
from pellucid.compare.task import Task
from pellucid.engines.registry import ENGINES, OURS

_OURS = "import pellucid.model; from pellucid import engines; engines.make({0!r})"
_TIMER = """
import time
begin = time.perf_counter()
{0}
print(time.perf_counter() - begin)
"""
_MIB = 2**20
BATCH = 64


def measure(task: Task) -> list[Measurement]:
    """Weigh the installation, time the start, and look at the memory."""
    rounds = 1 if task.is_quick else 5
    return [
        *_measure_disk(task.engine),
        _measure_import(task.engine, 2 if task.is_quick else 7),
        *_measure_training(task, rounds),
        *_measure_inference(task),
    ]


def _measure_disk(engine: str) -> Iterator[Measurement]:
    installed = _list_installed(engine)
    names = list_requirements(installed)
    listed = ", ".join(sorted(names))
    yield Measurement(
        name="installed size",
        value=sum(measure_size(name) for name in names) / _MIB,
        unit="MiB",
        note=f"of {', '.join(installed)} and all that they require",
        detail=listed,
    )
    yield Measurement(
        name="packages",
        value=len(names),
        note="with all that they require, without extras",
        detail=listed,
    )


def _list_installed(engine: str) -> tuple[str, ...]:
    """Return what the engine's user installs, and what his script imports."""
    record = ENGINES[engine]
    return record.packages if record.is_framework else ("pellucid",)


def _measure_import(engine: str, runs: int) -> Measurement:
    is_ours = engine in OURS
    line = f"import {', '.join(_list_installed(engine))}"
    line = _OURS.format(engine) if is_ours else line
    program = _TIMER.format(line)
    times = [_time_import(program) for _ in range(runs)]
    return _describe_start("import time", times, f"{line}; files warm")


def _time_import(program: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return float(run.stdout.strip().splitlines()[-1])


def _measure_training(task: Task, rounds: int) -> Iterator[Measurement]:
    """Yield the time to the first step, and the memory of later ones."""
    (contender, *_) = select_modes(TRAINING_MODES, (task.engine,), is_quick=True)
    started, peaks = _run_fresh_processes(task, contender, "trainer", rounds)
    note = f"{contender.mode}: from the start of the process, caches as they are"
    yield _describe_start("time to the first step", started, note)
    yield _describe_memory("peak memory, training", peaks)


def _measure_inference(task: Task) -> Iterator[Measurement]:
    (contender, *_) = select_modes(INFERENCE_MODES, (task.engine,), is_quick=True)
    started, peaks = _run_fresh_processes(task, contender, "predictor", 1)
    yield _describe_start(
        "time to the first answer", started, "from the process's start"
    )
    yield _describe_memory("peak memory, inference", peaks)


def _run_fresh_processes(
    task: Task, contender: Contender, kind: str, rounds: int
) -> tuple[list[float], list[float]]:
    """Return seconds to the first call, and peak bytes, of new processes."""
    started, peaks = [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        with ContenderProcess(contender) as process:
            process.prepare(kind, make_case(task, BATCH))
            started.append(time.perf_counter() - begin)
            process.run(5)
            peaks.append(process.peak_bytes() / _MIB)
    return started, peaks


def _describe_start(name: str, times: Sequence[float], note: str) -> Measurement:
    return _describe_spread(
        name, times, "s", note if len(times) > 1 else f"{note}; one run, no spread"
    )


def _describe_memory(name: str, peaks: Sequence[float]) -> Measurement:
    note = f"of the whole process, during 5 calls of {BATCH} after the first"
    return _describe_spread(name, peaks, "MiB", note)


def _describe_spread(
    name: str, values: Sequence[float], unit: str, note: str
) -> Measurement:
    spread = quartiles(values)
    has_spread = len(values) > 1
    return Measurement(
        name=name,
        value=spread.median,
        unit=unit,
        low=spread.low if has_spread else None,
        high=spread.high if has_spread else None,
        runs=len(values),
        note=note,
    )


ROW = Criterion(
    name="footprint",
    question="What does it cost to have?",
    how=(
        "Installed size and packages as the environment's records list them. Import "
        "time in new processes. Time to the first step (or answer) of batch 64 from "
        "the start of a new process, compilers' caches as they are on this machine. "
        "Peak memory is what the process holds at most after the first step."
    ),
    measure=measure,
    limit_s=600,
    charts=(
        Chart(title="Installed size, MiB", figures=("installed size",)),
        Chart(
            title="Seconds to begin",
            figures=("import time", "time to the first step"),
        ),
        Chart(
            title="Peak memory, MiB",
            figures=("peak memory, training", "peak memory, inference"),
        ),
    ),
    aspects=(
        ScoredMetric.lower("size", "installed size"),
        ScoredMetric.lower("size", "packages"),
        ScoredMetric.lower("start", "import time"),
        ScoredMetric.lower("start", "time to the first step"),
        ScoredMetric.lower("memory", "peak memory, training"),
        ScoredMetric.lower("memory", "peak memory, inference"),
    ),
)
