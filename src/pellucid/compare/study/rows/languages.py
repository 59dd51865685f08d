"""Criterion "From other languages?"."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pellucid.compare.study.figure import Figure
from pellucid.compare.study.languages.ours import OURS, Run
from pellucid.compare.study.languages.programs import Array
from pellucid.compare.study.languages.theirs import SLOW, THEIRS
from pellucid.compare.study.refusal import refusal
from pellucid.compare.study.row import Aspect, Row
from pellucid.compare.study.scripts import quietly
from pellucid.compare.study.subject import data_of, model_of
from pellucid.compare.study.task import Task
from pellucid.model import Model

_IMAGES = 4


def measure(task: Task) -> list[Figure]:
    """Run the artifact from every language."""
    model = model_of(task)
    shown = data_of(task)[0].images[:_IMAGES]
    images = np.ascontiguousarray(model.preprocessing.apply(shown, np.float32))
    runs: Mapping[str, Run] = THEIRS.get(task.engine, OURS)
    figures: list[Figure] = []
    for language, run in runs.items():
        folder = task.folder / f"language-{len(figures)}"
        folder.mkdir()
        if task.is_quick and (task.engine, language) in SLOW:
            note = "It takes a minute to compile: measured by --full."
            figures.append(Figure.full_only(language, note=note))
            continue
        figures += _tried(language, run, model, (images, folder))
    return [_count(figures, note=f"Of {len(runs)}: {', '.join(runs)}."), *figures]


def _count(figures: list[Figure], note: str) -> Figure:
    """Return how many run it; nothing to rank by while some are left to --full."""
    name = "languages that run it"
    count = sum(figure.value == "runs" for figure in figures)
    if any(figure.is_full_only for figure in figures):
        return Figure.full_only(name, note=f"{note} {count} so far.")
    return Figure(name=name, value=count, note=note)


def _tried(
    language: str, run: Run, model: Model, given: tuple[Array, Path]
) -> Iterator[Figure]:
    images, folder = given
    expected = np.asarray(model.predict(images))
    begin = time.perf_counter()
    try:
        with quietly():
            outputs = run(model, images, folder).reshape(expected.shape)
    except Exception as error:  # noqa: BLE001 - a refusal is an answer
        yield refusal(language, error)
        return
    took = time.perf_counter() - begin
    yield Figure(
        name=language,
        value="runs",
        runs=len(images),
        note=f"Exported, compiled and run in {took:.1f} s.",
    )
    yield Figure(
        name=f"difference, {language}",
        value=float(np.max(np.abs(outputs - expected))),
        runs=len(images),
        of=language,
    )


ROW = Row(
    name="languages",
    question="From other languages?",
    how="The artifact is really run from each language, on four images: a program is "
    "written, compiled where it must be, fed, and its outputs compared. Ours: the C "
    "export from C, C++ and Java, the JavaScript export in Node and in Chromium. "
    "TensorFlow and JAX: a SavedModel in TensorFlow's C library, from C, C++ and Java. "
    "PyTorch: TorchScript in libtorch, from C++ and Java. All three: ONNX in ONNX "
    "Runtime, in Node and (as WebAssembly) in Chromium. Java calls the C or C++ "
    "library through its native interface, ours and theirs alike: the frameworks' own "
    "Java libraries come from Maven, and TensorFlow.js needs a converter "
    "(tensorflowjs) that cannot be installed beside this TensorFlow; neither is tried. "
    "What is not installed here, the cell names.",
    measure=measure,
    is_timed=False,
    limit_s=300.0,
    aspects=(
        Aspect(
            priority="languages",
            figure="languages that run it",
            lower_is_better=False,
        ),
    ),
)
