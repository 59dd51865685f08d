"""`scale-out`: does it scale out?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.benchmark.statistics import Spread, quartiles
from pellucid.compare.criteria.criterion import Chart, Criterion, ScoredMetric
from pellucid.compare.criteria.reproducibility import max_difference
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.distributed_job import EARLY, run_job
from pellucid.compare.methods.trial import BATCH, Trial, Weights, run_trial
from pellucid.compare.task import Task
from pellucid.errors import EngineError
from pellucid.machine import count_usable_cpus, list_usable_cpus

_QUICK, _FULL = (1, 2), (1, 2, 4)
_SPEED, _THREADS = "images/s, processes", "images/s, one process on processors"
_EFFICIENCY = "efficiency, processes"
_APART = "difference of a weight, processes"


def measure(task: Task) -> list[Measurement]:
    """Train in one process, two, four; then in one on one processor, on two, …"""
    return [*_measure_processes(task), *_measure_threads(task)]


def _measure_processes(task: Task) -> Iterator[Measurement]:
    seconds = 1.0 if task.is_quick else 8.0
    one = run_job(task, 1, seconds=seconds)
    steps = len(one.times_s) + 1
    yield _describe_speed(_SPEED, 1, one)
    for count in _FULL[1:]:
        names = [(f"{name}: {count}", unit) for name, unit in _UNITS.items()]
        if task.is_quick and count not in _QUICK:
            yield from (Measurement.full_only(name, unit=unit) for name, unit in names)
            continue
        try:
            many = run_job(task, count, seconds=seconds, steps=steps)
        except EngineError as error:
            for name, unit in names:
                yield Measurement(name=name, value=None, unit=unit, note=str(error))
            continue
        yield _describe_speed(_SPEED, count, many)
        yield _describe_efficiency(count, one, many)
        yield _describe_difference(count, one.weights, many.weights)


_UNITS = {_SPEED: "images/s", _EFFICIENCY: "%", _APART: ""}


def _measure_threads(task: Task) -> Iterator[Measurement]:
    cpus = list_usable_cpus()
    counts = range(1, len(cpus) + 1)
    if task.is_quick:
        names = (f"{_THREADS}: {count}" for count in counts)
        yield from (Measurement.full_only(name, unit="images/s") for name in names)
        return
    for count in counts:
        held = run_trial(task, f"held-{count}", cpus=cpus[:count], steps=61)
        yield _describe_speed(_THREADS, count, held)


def _describe_speed(name: str, count: int, found: Trial) -> Measurement:
    return Measurement.images_per_second(
        f"{name}: {count}",
        BATCH,
        _step_spread(found),
        runs=len(found.times_s),
        note="median and quartiles over steps",
        at=count,
    )


def _step_spread(found: Trial) -> Spread:
    return quartiles(found.times_s)


def _describe_efficiency(count: int, one: Trial, many: Trial) -> Measurement:
    """Return the speed against as many times that of one as processors allow."""
    at_best = min(count, count_usable_cpus())
    single, together = _step_spread(one), _step_spread(many)
    note = f"speed over {at_best} times that of one process; 100 % is ideal"
    if at_best < count:
        note = f"{note}; {count} processes share {at_best} processors"
    return Measurement(
        name=f"{_EFFICIENCY}: {count}",
        value=100 * single.median / together.median / at_best,
        unit="%",
        low=100 * single.low / together.high / at_best,
        high=100 * single.high / together.low / at_best,
        runs=len(many.times_s),
        note=note,
        limit=100.0,
    )


def _describe_difference(count: int, one: Weights, many: Weights) -> Measurement:
    largest = max(float(np.abs(array).max()) for array in one.values())
    return Measurement(
        name=f"{_APART}: {count}",
        value=max_difference(one, many),
        note=f"the largest from one process's, of weights up to {largest:.2g}, after "
        f"{EARLY} steps",
    )


ROW = Criterion(
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
    aspects=(ScoredMetric.higher("scaling", f"{_EFFICIENCY}: 2"),),
)
