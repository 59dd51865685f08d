"""`weights`: will my weights move?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pellucid.compare.study.figure import Figure
from pellucid.compare.study.row import ENGINES, Aspect, Row
from pellucid.compare.study.subject import data_of, model_of
from pellucid.compare.study.task import Task
from pellucid.compare.study.turns import Together
from pellucid.engines.registry import NEEDS, missing_package
from pellucid.model import Model
from pellucid.model.files import load

_BATCH, _STEPS, _IMAGES = 64, 5, 256
_MOVED = "engines reached without a different answer"


def measure(tasks: Sequence[Task]) -> Together:
    """Let every engine train and save; all others open its file."""
    found: Together = {}
    for task in tasks:
        try:
            found[task.engine] = _from(task)
        except Exception as error:  # noqa: BLE001 - one engine's failure is its own
            found[task.engine] = f"{type(error).__name__}: {error}"
    return found


def _from(task: Task) -> list[Figure]:
    """Train a little, save, and open the file on every other engine."""
    model, (train, test) = model_of(task), data_of(task)
    for i in range(_STEPS):
        rows = np.arange(i * _BATCH, (i + 1) * _BATCH) % len(train)
        model.train_step(train.images[rows], train.labels[rows])
    images = test.images[: min(_IMAGES, len(test))]
    logits = model.predict(images)
    path = task.folder / "moved.pellucid"
    model.save(path)
    others = [name for name in ENGINES if name != task.engine]
    figures = [_moved(name, str(path), logits, images) for name in others]
    largest = Figure(
        name="largest output here",
        value=float(np.abs(logits).max()),
        runs=len(logits),
        note="for comparison",
    )
    return [*_summary(figures, len(others)), largest, *figures]


def _moved(
    engine: str, path: str, logits: npt.NDArray[np.floating], images: object
) -> Figure:
    """Return how far the answers on another engine lie from those on this one."""
    name = f"to {engine}"
    package = missing_package(engine)
    if package is not None:
        return Figure(name=name, value=None, note=f"{package} is not installed")
    try:
        moved: Model = load(path, engine=engine)
        answers = moved.predict(images)
    except Exception as error:  # noqa: BLE001 - whatever it is, the figure says it
        return Figure(name=name, value=None, note=f"{type(error).__name__}: {error}")
    apart = float(np.abs(answers - logits).max())
    same = float(np.mean(answers.argmax(axis=1) == logits.argmax(axis=1)))
    return Figure(
        name=name,
        value=apart,
        runs=len(answers),
        note=f"{100 * same:.1f} % get the same class",
    )


def _summary(figures: list[Figure], count: int) -> Iterator[Figure]:
    good = [f for f in figures if f.number is not None and f.number < 1e-3]
    yield Figure(
        name=_MOVED,
        value=len(good),
        note=f"of {count}; all outputs within 0.001",
    )


ROW = Row(
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
    aspects=(Aspect(priority="portability", figure=_MOVED, lower_is_better=False),),
)
