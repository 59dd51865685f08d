"""`footprint`: what does it cost to have?"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from pellucid.benchmark.process import PeerProcess
from pellucid.benchmark.start_up import packages, size_of
from pellucid.benchmark.summary import quartiles
from pellucid.compare.study.figure import Figure
from pellucid.compare.study.peers import PREDICTORS, TRAINERS, Variant, variants
from pellucid.compare.study.row import Aspect, Chart, Row
from pellucid.compare.study.task import Task
from pellucid.compare.study.turns import case

#: engine → what its user installs, and what his script imports
_INSTALLED = {
    "numpy": ("pellucid",),
    "compiled": ("pellucid",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow",),
    "jax": ("jax", "optax"),
}
_OURS = "import pellucid.model; from pellucid import engines; engines.make({0!r})"
_IMPORTS = {
    "numpy": _OURS.format("numpy"),
    "compiled": _OURS.format("compiled"),
    "torch": "import torch",
    "tensorflow": "import tensorflow",
    "jax": "import jax, optax",
}
_TIMER = """
import time
begin = time.perf_counter()
{0}
print(time.perf_counter() - begin)
"""
_MIB = 2**20
BATCH = 64


def measure(task: Task) -> list[Figure]:
    """Weigh the installation, time the start, and look at the memory."""
    rounds = 1 if task.is_quick else 5
    return [
        *_on_disk(task.engine),
        _import_time(task.engine, 2 if task.is_quick else 7),
        *_training(task, rounds),
        *_inference(task),
    ]


def _on_disk(engine: str) -> Iterator[Figure]:
    names = packages(_INSTALLED[engine])
    listed = ", ".join(sorted(names))
    yield Figure(
        name="installed size",
        value=sum(size_of(name) for name in names) / _MIB,
        unit="MiB",
        note=f"of {', '.join(_INSTALLED[engine])} and all that they require",
        detail=listed,
    )
    yield Figure(
        name="packages",
        value=len(names),
        note="with all that they require, without extras",
        detail=listed,
    )


def _import_time(engine: str, runs: int) -> Figure:
    program = _TIMER.format(_IMPORTS[engine])
    times = [_import_once(program) for _ in range(runs)]
    return _start("import time", times, f"{_IMPORTS[engine]}; files warm")


def _import_once(program: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return float(run.stdout.strip().splitlines()[-1])


def _training(task: Task, rounds: int) -> Iterator[Figure]:
    """Yield the time to the first step, and the memory of later ones."""
    (variant, *_) = variants(TRAINERS, (task.engine,), is_quick=True)
    started, peaks = _runs(task, variant, "trainer", rounds)
    note = f"{variant.word}: from the start of the process, caches as they are"
    yield _start("time to the first step", started, note)
    yield _memory("peak memory, training", peaks)


def _inference(task: Task) -> Iterator[Figure]:
    (variant, *_) = variants(PREDICTORS, (task.engine,), is_quick=True)
    started, peaks = _runs(task, variant, "predictor", 1)
    yield _start("time to the first answer", started, "from the process's start")
    yield _memory("peak memory, inference", peaks)


def _runs(
    task: Task, variant: Variant, kind: str, rounds: int
) -> tuple[list[float], list[float]]:
    """Return seconds to the first call, and peak bytes, of new processes."""
    started, peaks = [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        process = PeerProcess(variant.peer)
        try:
            process.ask(
                ask="prepare",
                module=variant.peer.module,
                task=kind,
                options=variant.peer.options,
                case=case(task, BATCH).to_json(),
            )
            started.append(time.perf_counter() - begin)
            process.ask(ask="go", count=5)
            peaks.append(process.ask(ask="memory")["peak_bytes"] / _MIB)
        finally:
            process.close()
    return started, peaks


def _start(name: str, times: Sequence[float], note: str) -> Figure:
    return _spread(
        name, times, "s", note if len(times) > 1 else f"{note}; one run, no spread"
    )


def _memory(name: str, peaks: Sequence[float]) -> Figure:
    note = f"of the whole process, during 5 calls of {BATCH} after the first"
    return _spread(name, peaks, "MiB", note)


def _spread(name: str, values: Sequence[float], unit: str, note: str) -> Figure:
    spread = quartiles(values)
    has_spread = len(values) > 1
    return Figure(
        name=name,
        value=spread.median,
        unit=unit,
        low=spread.low if has_spread else None,
        high=spread.high if has_spread else None,
        runs=len(values),
        note=note,
    )


ROW = Row(
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
        Aspect(priority="size", figure="installed size", lower_is_better=True),
        Aspect(priority="size", figure="packages", lower_is_better=True),
        Aspect(priority="start", figure="import time", lower_is_better=True),
        Aspect(priority="start", figure="time to the first step", lower_is_better=True),
        Aspect(priority="memory", figure="peak memory, training", lower_is_better=True),
        Aspect(
            priority="memory", figure="peak memory, inference", lower_is_better=True
        ),
    ),
)
