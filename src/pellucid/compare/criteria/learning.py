"""`learning`: does it learn the same?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.benchmark.statistics import confidence_interval, permutation_test
from pellucid.compare.criteria.criterion import Chart, Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.data import Dataset
from pellucid.model import Model

BATCH = 64
TARGET = 0.9
_SHUFFLE = 30
_SEED = "test accuracy, seed "


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is learned, and how it is looked at.

    Attributes
    ----------
    train, test : int
        Images.
    glance : int
        Test images of a look on the way; the last one sees them all.
    epochs, seeds : int
    looks : int
        In an epoch.
    """

    train: int
    test: int
    glance: int
    epochs: int
    seeds: int
    looks: int


QUICK = Size(train=960, test=300, glance=300, epochs=2, seeds=3, looks=2)
FULL = Size(train=12800, test=5000, glance=1000, epochs=3, seeds=5, looks=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What training has come to at one moment."""

    epoch: float
    seconds: float
    loss: float
    accuracy: float


def measure(task: Task) -> list[Measurement]:
    """Train with several seeds, and look now and then."""
    size = QUICK if task.is_quick else FULL
    train, test = (
        _sample(data, count, task.seed)
        for data, count in zip(load_data(task), (size.train, size.test), strict=True)
    )
    warm_up = build_model(task)
    warm_up.train_step(train.images[:BATCH], train.labels[:BATCH])
    seeds = range(task.seed, task.seed + size.seeds)
    runs = [list(_train_and_evaluate(task, seed, train, test, size)) for seed in seeds]
    return [
        *_describe_ends(runs, seeds),
        *_describe_curves(runs),
        _measure_time_to_target(runs),
    ]


def _sample(data: Dataset, count: int, seed: int) -> Dataset:
    """Return so many examples, drawn at random; all where there are fewer."""
    rng = np.random.Generator(np.random.Philox(key=[seed, _SHUFFLE]))
    return data.subset(rng.permutation(len(data))[:count])


def _train_and_evaluate(
    task: Task, seed: int, train: Dataset, test: Dataset, size: Size
) -> Iterator[Evaluation]:
    """Train one model; the clock stands still while it is looked at."""
    model = build_model(task, seed=seed)
    rng = np.random.Generator(np.random.Philox(key=[seed, _SHUFFLE + 1]))
    order = np.concatenate([rng.permutation(len(train)) for _ in range(size.epochs)])
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    each = max(1, len(batches) // (size.epochs * size.looks))
    glance = test.subset(np.arange(min(size.glance, len(test))))
    seconds, losses = 0.0, []
    for i, rows in enumerate(batches, start=1):
        begin = time.perf_counter()
        loss = model.train_step(train.images[rows], train.labels[rows])
        seconds += time.perf_counter() - begin
        losses.append(loss)
        is_last = i == len(batches)
        if i % each == 0 or is_last:
            yield Evaluation(
                epoch=i * BATCH / len(train),
                seconds=seconds,
                loss=float(np.mean(losses)),
                accuracy=_measure_accuracy(model, test if is_last else glance),
            )
            losses = []


def _measure_accuracy(model: Model, test: Dataset) -> float:
    return float(model.evaluate(test, metrics=("accuracy",))["accuracy"])


def _describe_ends(
    runs: Sequence[Sequence[Evaluation]], seeds: Sequence[int]
) -> Iterator[Measurement]:
    """Yield what it came to at the end, over seeds and with each."""
    ends = [run[-1] for run in runs]
    error = confidence_interval([100 * (1 - end.accuracy) for end in ends])
    loss = confidence_interval([end.loss for end in ends])
    how = "mean over seeds, with its 95 % confidence interval (Student's t)"
    for name, spread, unit in (
        ("test error", error, "%"),
        ("training loss at the end", loss, "nats"),
    ):
        yield Measurement(
            name=name,
            value=spread.median,
            unit=unit,
            low=max(0.0, spread.low),
            high=spread.high,
            runs=len(ends),
            note=how,
        )
    for seed, end in zip(seeds, ends, strict=True):
        yield Measurement(name=f"{_SEED}{seed}", value=100 * end.accuracy, unit="%")


def _describe_curves(runs: Sequence[Sequence[Evaluation]]) -> Iterator[Measurement]:
    """Yield the mean loss at each look, over epochs and over seconds."""
    for looks in zip(*runs, strict=True):
        spread = confidence_interval([look.loss for look in looks])
        seconds = float(np.mean([look.seconds for look in looks]))
        epoch = looks[0].epoch
        for name, at in (
            (f"loss over epochs, {epoch:.3g}", epoch),
            (f"loss over seconds, epoch {epoch:.3g}", seconds),
        ):
            yield Measurement.from_spread(
                name,
                spread,
                unit="nats",
                runs=len(looks),
                at=at,
            )


def _measure_time_to_target(runs: Sequence[Sequence[Evaluation]]) -> Measurement:
    """Return the seconds of training until the test accuracy was there."""
    name = f"time to {100 * TARGET:.0f} % test accuracy"
    times = [
        next((look.seconds for look in run if look.accuracy >= TARGET), None)
        for run in runs
    ]
    reached = [time for time in times if time is not None]
    if len(reached) < len(times):
        note = f"reached by {len(reached)} of {len(times)} seeds within this training"
        return Measurement(name=name, value=None, unit="s", runs=len(times), note=note)
    spread = confidence_interval(reached)
    return Measurement(
        name=name,
        value=spread.median,
        unit="s",
        low=max(0.0, spread.low),
        high=spread.high,
        runs=len(reached),
        note="seconds spent in training steps; mean with its 95 % interval",
    )


def conclude(measurements: Mapping[str, Sequence[Measurement]]) -> list[str]:
    """Say whether engines differ by more than seeds do."""
    per_seed = {
        engine: [f.number for f in found if f.name.startswith(_SEED)]
        for engine, found in measurements.items()
    }
    values = {  # an engine without a number for a seed has no mean
        engine: [number for number in numbers if number is not None]
        for engine, numbers in per_seed.items()
        if None not in numbers
    }
    counts = {len(numbers) for numbers in values.values()}
    if len(values) < 2 or len(counts) != 1 or counts == {0}:
        return []
    p = permutation_test(values)
    means = {engine: float(np.mean(v)) for engine, v in values.items()}
    apart = max(means.values()) - min(means.values())
    noise = float(np.mean([np.std(v, ddof=1) for v in values.values()]))
    if min(counts) < 2:
        noise = 0.0
    verdict = (
        "The differences between engines are larger than seed noise"
        if p < 0.05
        else "The differences between engines are not larger than seed noise"
    )
    return [
        f"{verdict}: the means lie {apart:.2f} percentage points apart at most, one "
        f"seed from another {noise:.2f} (standard deviation); p = {p:.3f} by a "
        "permutation test (test accuracies dealt out anew among the engines within "
        "each seed, in up to 10,000 ways; statistic: the variance of the engines' "
        "means; called larger where p < 0.05)."
    ]


ROW = Criterion(
    name="learning",
    question="Does it learn the same?",
    how=(
        "Each engine trains the network from the same initial weights over the same "
        "batches of 64, Adam at the network's learning rate, once per seed; the seed "
        "changes weights and order. Quick: 960 images, 2 epochs, 3 seeds, 300 test "
        "images; full: 12,800 images, 3 epochs, 5 seeds, 5,000 test images, on the way "
        "1,000 of them. The clock runs during training steps only, through pellucid's "
        "own trainer on every engine; each engine in turn, not in rounds."
    ),
    measure=measure,
    conclude=conclude,
    limit_s=1800,
    charts=(
        Chart(title="Test error after training", figures=("test error",)),
        Chart(
            title="Loss over epochs",
            figures=("loss over epochs",),
            kind="lines",
            x="epoch",
        ),
        Chart(
            title="Loss over seconds",
            figures=("loss over seconds",),
            kind="lines",
            x="seconds of training",
        ),
    ),
    aspects=(ScoredMetric.lower("accuracy", "test error"),),
)
