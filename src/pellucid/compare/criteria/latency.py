"""`latency`: how fast does it answer?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pellucid.benchmark.contenders import INFERENCE_MODES, select_modes
from pellucid.benchmark.rounds import BenchmarkConfig
from pellucid.benchmark.statistics import percentile, quartiles
from pellucid.compare.criteria.criterion import Chart, Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.interleaved import (
    ContenderTiming,
    EngineMeasurements,
    describe_modes,
    find_fastest,
    time_interleaved,
)
from pellucid.compare.task import Task

MANY = 256
_P50, _THROUGHPUT = "latency p50", f"throughput, batch {MANY}"
_QUICK = BenchmarkConfig(rounds=5, turn_s=0.25, warm_up_s=0.3, least=1, most=2000)
_FULL = BenchmarkConfig(rounds=10, turn_s=0.6, warm_up_s=1.0, least=2, most=4000)


def measure(tasks: Sequence[Task]) -> EngineMeasurements:
    """Let all engines answer in turns: one image, then many."""
    is_quick = tasks[0].is_quick
    engines = tuple(task.engine for task in tasks)
    timed = time_interleaved(
        tasks,
        select_modes(INFERENCE_MODES, engines, is_quick=is_quick),
        "predictor",
        batches=(1, MANY),
        config=_QUICK if is_quick else _FULL,
    )
    return {task.engine: list(_describe_engine(task, timed)) for task in tasks}


def _describe_engine(
    task: Task, timed: Sequence[ContenderTiming]
) -> Iterator[Measurement]:
    mine = [one for one in timed if one.contender.engine == task.engine]
    for batch, of_best in ((1, _describe_latency), (MANY, _describe_throughput)):
        at = [one for one in mine if one.batch == batch]
        best = find_fastest(at)
        if best is not None:
            yield from of_best(best, describe_modes(at))
        for one in at:
            yield _describe_contender(one)


def _describe_latency(best: ContenderTiming, modes: str) -> Iterator[Measurement]:
    """Yield the percentiles of one image, and the first call apart."""
    rounds = [round_.times_s for round_ in best.rounds]
    for word, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        spread = quartiles([1e3 * percentile(times, share) for times in rounds])
        yield Measurement(
            name=f"latency {word}",
            value=1e3 * percentile(best.times_s, share),
            unit="ms",
            low=spread.low,
            high=spread.high,
            runs=len(best.times_s),
            note=f"{best.contender.mode}, {modes}; of all calls, with the rounds' "
            "quartiles",
            mode=best.contender.mode,
            is_disturbed=best.is_disturbed,
        )
    yield Measurement(
        name="first call",
        value=1e3 * best.first_call_s,
        unit="ms",
        note="with what is traced and compiled for it; one run, no spread",
    )


def _describe_throughput(best: ContenderTiming, modes: str) -> Iterator[Measurement]:
    yield Measurement.images_per_second(
        _THROUGHPUT,
        MANY,
        best.spread,
        runs=len(best.times_s),
        note=f"{best.contender.mode}, {modes}; {best.note}",
        mode=best.contender.mode,
        is_disturbed=best.is_disturbed,
    )


def _describe_contender(one: ContenderTiming) -> Measurement:
    name = f"median, {one.contender.mode}, batch {one.batch}"
    if not one.timing.rounds:
        why = one.timing.failure or "it gave no time"
        return Measurement(name=name, value=None, unit="ms", note=why)
    spread = one.spread
    return Measurement.from_spread(
        name,
        spread,
        scale=1e3,
        unit="ms",
        runs=len(one.times_s),
        note=one.note,
        is_disturbed=one.is_disturbed,
    )


ROW = Criterion(
    name="latency",
    question="How fast does it answer?",
    how=(
        "From an array to the array of logits, from Python, all threads: one image "
        "(latency) and 256 at once (throughput). Each engine as its own people write "
        "it: our own through Model.predict, PyTorch in inference_mode and under "
        "torch.compile, TensorFlow as a tf.function and with XLA, JAX under jit; each "
        "in a process of its own, warmed up, in turns. What counts is the fastest mode "
        "of each engine, and it is named. The first call stands apart."
    ),
    measure_together=measure,
    limit_s=1800,
    charts=(
        Chart(
            title="Latency of one image, ms",
            figures=("latency p50", "latency p95", "latency p99"),
        ),
        Chart(title="Throughput, images per second", figures=(_THROUGHPUT,)),
    ),
    aspects=(
        ScoredMetric.lower("latency", _P50),
        ScoredMetric.lower("latency", "latency p99"),
        ScoredMetric.higher("throughput", _THROUGHPUT),
    ),
)
