"""`weights`: will my weights move?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pellucid.compare.criteria.criterion import ENGINES, Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.interleaved import EngineMeasurements
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.engines.registry import NEEDS, missing_package
from pellucid.model import Model
from pellucid.model.files import load

_BATCH, _STEPS, _IMAGES = 64, 5, 256
_MOVED = "engines reached without a different answer"


def measure(tasks: Sequence[Task]) -> EngineMeasurements:
    """Let every engine train and save; all others open its file."""
    found: EngineMeasurements = {}
    for task in tasks:
        try:
            found[task.engine] = _train_and_move(task)
        except Exception as error:  # noqa: BLE001 - one engine's failure is its own
            found[task.engine] = f"{type(error).__name__}: {error}"
    return found


def _train_and_move(task: Task) -> list[Measurement]:
    """Train a little, save, and open the file on every other engine."""
    model, (train, test) = build_model(task), load_data(task)
    for i in range(_STEPS):
        rows = np.arange(i * _BATCH, (i + 1) * _BATCH) % len(train)
        model.train_step(train.images[rows], train.labels[rows])
    images = test.images[: min(_IMAGES, len(test))]
    logits = model.predict(images)
    path = task.folder / "moved.pellucid"
    model.save(path)
    others = [name for name in ENGINES if name != task.engine]
    measurements = [_load_on(name, str(path), logits, images) for name in others]
    largest = Measurement(
        name="largest output here",
        value=float(np.abs(logits).max()),
        runs=len(logits),
        note="for comparison",
    )
    return [*_summarize(measurements, len(others)), largest, *measurements]


def _load_on(
    engine: str, path: str, logits: npt.NDArray[np.floating], images: object
) -> Measurement:
    """Return how far the answers on another engine lie from those on this one."""
    name = f"to {engine}"
    package = missing_package(engine)
    if package is not None:
        return Measurement(name=name, value=None, note=f"{package} is not installed")
    try:
        moved: Model = load(path, engine=engine)
        answers = moved.predict(images)
    except Exception as error:  # noqa: BLE001 - whatever it is, the figure says it
        return Measurement(
            name=name, value=None, note=f"{type(error).__name__}: {error}"
        )
    apart = float(np.abs(answers - logits).max())
    same = float(np.mean(answers.argmax(axis=1) == logits.argmax(axis=1)))
    return Measurement(
        name=name,
        value=apart,
        runs=len(answers),
        note=f"{100 * same:.1f} % get the same class",
    )


def _summarize(measurements: list[Measurement], count: int) -> Iterator[Measurement]:
    good = [f for f in measurements if f.number is not None and f.number < 1e-3]
    yield Measurement(
        name=_MOVED,
        value=len(good),
        note=f"of {count}; all outputs within 0.001",
    )


ROW = Criterion(
    name="weights",
    question="Will my weights move?",
    how=(
        "Each engine trains for 5 steps and saves the network with its weights; every "
        "other engine opens the file and answers for 256 test images. The figure is "
        "the largest difference between an output there and the same output here, so "
        "every pair is tried both ways, in one process."
    ),
    measure_together=measure,
    is_timed=False,
    limit_s=600,
    needs=tuple(package for packages in NEEDS.values() for package in packages),
    aspects=(ScoredMetric.higher("portability", _MOVED),),
)
