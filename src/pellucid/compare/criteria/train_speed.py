"""`train-speed`: how fast does it train?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pellucid.benchmark.contenders import TRAINING_MODES, select_modes
from pellucid.benchmark.rounds import BenchmarkConfig
from pellucid.compare.criteria.criterion import Chart, Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.energy import measure_joules
from pellucid.compare.methods.interleaved import (
    ContenderTiming,
    EngineMeasurements,
    describe_modes,
    find_fastest,
    make_case,
    time_interleaved,
)
from pellucid.compare.task import Task

BATCH = 64
FULL_BATCHES = (1, 16, 64, 256)
_BEST = f"images/s, best, batch {BATCH}"
_QUICK = BenchmarkConfig(rounds=5, turn_s=0.3, warm_up_s=0.4, least=2)
_FULL = BenchmarkConfig(rounds=10, turn_s=0.6, warm_up_s=1.0, least=3)


def measure(tasks: Sequence[Task]) -> EngineMeasurements:
    """Let all modes of all engines take turns."""
    is_quick = tasks[0].is_quick
    engines = tuple(task.engine for task in tasks)
    timed = time_interleaved(
        tasks,
        select_modes(TRAINING_MODES, engines, is_quick=is_quick),
        "trainer",
        batches=(BATCH,) if is_quick else FULL_BATCHES,
        config=_QUICK if is_quick else _FULL,
    )
    return {task.engine: list(_describe_engine(task, timed)) for task in tasks}


def _describe_engine(
    task: Task, timed: Sequence[ContenderTiming]
) -> Iterator[Measurement]:
    mine = [one for one in timed if one.contender.engine == task.engine]
    yield from _describe_best(mine)
    for one in mine:
        yield from _describe_speed(one)
    if task.is_quick:
        for contender in select_modes(TRAINING_MODES, (task.engine,), is_quick=False):
            if not contender.is_quick:
                name = f"ms per step, {contender.mode}, batch {BATCH}"
                yield Measurement.full_only(name, unit="ms")
        for batch in FULL_BATCHES:
            if batch != BATCH:
                name = f"images/s, best, batch {batch}"
                yield Measurement.full_only(name, unit="images/s")
    yield from _measure_energy(task, mine)


def _describe_best(mine: Sequence[ContenderTiming]) -> Iterator[Measurement]:
    """Yield the fastest mode's images per second, at each size of batch."""
    for batch in dict.fromkeys(one.batch for one in mine):
        at = [one for one in mine if one.batch == batch]
        best = find_fastest(at)
        if best is None:
            continue
        yield Measurement.images_per_second(
            f"images/s, best, batch {batch}",
            batch,
            best.spread,
            runs=len(best.times_s),
            note=f"{best.contender.mode}, {describe_modes(at)}; {best.note}",
            at=batch,
            mode=best.contender.mode,
            is_disturbed=best.is_disturbed,
        )


def _describe_speed(one: ContenderTiming) -> Iterator[Measurement]:
    name = f"{one.contender.mode}, batch {one.batch}"
    if not one.timing.rounds:
        yield Measurement(
            name=f"ms per step, {name}",
            value=None,
            unit="ms",
            note=one.timing.failure or "it gave no time",
        )
        return
    spread = one.spread
    yield Measurement.from_spread(
        f"ms per step, {name}",
        spread,
        scale=1e3,
        unit="ms",
        runs=len(one.times_s),
        note=one.note,
        is_disturbed=one.is_disturbed,
    )
    yield Measurement(
        name=f"first step, {name}",
        of=f"ms per step, {name}",
        value=one.first_call_s,
        unit="s",
        note="with what is traced and compiled for it; one run, no spread",
    )


def _measure_energy(
    task: Task, mine: Sequence[ContenderTiming]
) -> Iterator[Measurement]:
    """Yield the energy of a step, where the machine tells it."""
    best = find_fastest(one for one in mine if one.batch == BATCH)
    if best is None:
        return
    joules = measure_joules(best.contender, "trainer", make_case(task, BATCH))
    if joules is None:
        return
    yield Measurement(
        name=f"energy per 1,000 images, batch {BATCH}",
        value=1000 * joules / BATCH,
        unit="J",
        note="of the whole processor package (RAPL), over two seconds of steps",
    )


ROW = Criterion(
    name="train-speed",
    question="How fast does it train?",
    how=(
        "One training step is forward, backward and Adam on a ready batch of 64 in "
        "memory. Each engine is written as its own people write it and sits in a "
        "process of its own; they are warmed up and take turns in rounds, and only one "
        "computes at a time. eager: operation by operation; graph: tf.function; "
        "compiled: our own kernels, torch.compile, XLA, jax.jit. What counts is the "
        "fastest mode of each engine, and it is named. Full: TensorFlow and JAX "
        "operation by operation too, and batches of 1, 16, 64 and 256. Threads: see "
        "scale-out; time to an accuracy: see learning. Energy where the "
        "machine tells it (RAPL), else it is left out."
    ),
    measure_together=measure,
    limit_s=3600,
    charts=(
        Chart(title=f"Training, images per second, batch {BATCH}", figures=(_BEST,)),
        Chart(
            title="Training over batch sizes, images per second",
            figures=("images/s, best, batch",),
            kind="lines",
            x="batch size",
            is_log=True,
        ),
    ),
    aspects=(ScoredMetric.higher("training", _BEST),),
)
