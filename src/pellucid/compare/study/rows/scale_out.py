"""`scale-out`: does it scale out?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.benchmark.quiet import usable_processors
from pellucid.benchmark.summary import Spread, quartiles
from pellucid.compare.study.figure import Figure
from pellucid.compare.study.held import processors
from pellucid.compare.study.job import EARLY, job
from pellucid.compare.study.row import Aspect, Chart, Row
from pellucid.compare.study.rows.reproducibility import apart
from pellucid.compare.study.task import Task
from pellucid.compare.study.trial import BATCH, Trial, Weights, trial
from pellucid.errors import EngineError

_QUICK, _FULL = (1, 2), (1, 2, 4)
_SPEED, _THREADS = "images/s, processes", "images/s, one process on processors"
_EFFICIENCY = "efficiency, processes"
_APART = "difference of a weight, processes"


def measure(task: Task) -> list[Figure]:
    """Train in one process, two, four; then in one on one processor, on two, …"""
    return [*_processes(task), *_threads(task)]


def _processes(task: Task) -> Iterator[Figure]:
    seconds = 1.0 if task.is_quick else 8.0
    one = job(task, 1, seconds=seconds)
    steps = len(one.times_s) + 1
    yield _speed(_SPEED, 1, one)
    for count in _FULL[1:]:
        names = [(f"{name}: {count}", unit) for name, unit in _UNITS.items()]
        if task.is_quick and count not in _QUICK:
            yield from (Figure.full_only(name, unit=unit) for name, unit in names)
            continue
        try:
            many = job(task, count, seconds=seconds, steps=steps)
        except EngineError as error:
            for name, unit in names:
                yield Figure(name=name, value=None, unit=unit, note=str(error))
            continue
        yield _speed(_SPEED, count, many)
        yield _efficiency(count, one, many)
        yield _difference(count, one.weights, many.weights)


_UNITS = {_SPEED: "images/s", _EFFICIENCY: "%", _APART: ""}


def _threads(task: Task) -> Iterator[Figure]:
    cpus = processors()
    counts = range(1, len(cpus) + 1)
    if task.is_quick:
        names = (f"{_THREADS}: {count}" for count in counts)
        yield from (Figure.full_only(name, unit="images/s") for name in names)
        return
    for count in counts:
        held = trial(task, f"held-{count}", cpus=cpus[:count], steps=61)
        yield _speed(_THREADS, count, held)


def _speed(name: str, count: int, found: Trial) -> Figure:
    return Figure.images_per_second(
        f"{name}: {count}",
        BATCH,
        _spread(found),
        runs=len(found.times_s),
        note="median and quartiles over steps",
        at=count,
    )


def _spread(found: Trial) -> Spread:
    return quartiles(found.times_s)


def _efficiency(count: int, one: Trial, many: Trial) -> Figure:
    """Return the speed against as many times that of one as processors allow."""
    at_best = min(count, usable_processors())
    single, together = _spread(one), _spread(many)
    note = f"speed over {at_best} times that of one process; 100 % is ideal"
    if at_best < count:
        note = f"{note}; {count} processes share {at_best} processors"
    return Figure(
        name=f"{_EFFICIENCY}: {count}",
        value=100 * single.median / together.median / at_best,
        unit="%",
        low=100 * single.low / together.high / at_best,
        high=100 * single.high / together.low / at_best,
        runs=len(many.times_s),
        note=note,
        limit=100.0,
    )


def _difference(count: int, one: Weights, many: Weights) -> Figure:
    largest = max(float(np.abs(array).max()) for array in one.values())
    return Figure(
        name=f"{_APART}: {count}",
        value=apart(one, many),
        note=f"the largest from one process's, of weights up to {largest:.2g}, after "
        f"{EARLY} steps",
    )


ROW = Row(
    name="scale-out",
    question="Does it scale out?",
    how=(
        "Several processes train one network together, each on its own share of every "
        "batch of 64 and held to one processor of this machine; started as the "
        "engine's people do it: our engines by mpiexec, PyTorch by the environment of "
        "torchrun (DistributedDataParallel), TensorFlow by TF_CONFIG "
        "(MultiWorkerMirroredStrategy), JAX by jax.distributed. The same steps are "
        "made in one process first: how much faster is it, and are the weights the "
        "same? By plain gradient descent in float32: Adam would make a whole step of "
        "the rounding of a derivative that is almost 0. The faster a step, the more of "
        "it is waiting for the others: slow steps scale more easily. Quick: 1 and 2 "
        "processes. Full: 4 too, and one process with its threads held to 1, 2, … "
        "processors. Through pellucid's own trainer, one engine after the other."
    ),
    measure=measure,
    limit_s=900,
    needs=("mpi4py",),
    charts=(
        Chart(
            title="Images per second over processes",
            figures=(_SPEED,),
            kind="lines",
            x="processes",
        ),
        Chart(
            title="Images per second of one process over processors",
            figures=(_THREADS,),
            kind="lines",
            x="processors",
        ),
    ),
    aspects=(
        Aspect(priority="scaling", figure=f"{_EFFICIENCY}: 2", lower_is_better=False),
    ),
)
