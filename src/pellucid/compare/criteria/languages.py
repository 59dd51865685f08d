"""Criterion "From other languages?"."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pellucid.compare.criteria.criterion import Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.failure import describe_failure
from pellucid.compare.methods.languages.ours import Run
from pellucid.compare.methods.languages.programs import Array
from pellucid.compare.methods.programs import find_programs
from pellucid.compare.methods.scripts import silence
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.model import Model

_IMAGES = 4


def measure(task: Task) -> list[Measurement]:
    """Run the artifact from every language."""
    model = build_model(task)
    shown = load_data(task)[0].images[:_IMAGES]
    images = np.ascontiguousarray(model.preprocessing.apply(shown, np.float32))
    programs = find_programs(task.engine)
    runs = programs.languages
    measurements: list[Measurement] = []
    for language, run in runs.items():
        folder = task.folder / f"language-{len(measurements)}"
        folder.mkdir()
        if task.is_quick and language in programs.slow_languages:
            note = "It takes a minute to compile: measured by --full."
            measurements.append(Measurement.full_only(language, note=note))
            continue
        measurements += _try_language(language, run, model, (images, folder))
    return [
        _count_languages(measurements, note=f"Of {len(runs)}: {', '.join(runs)}."),
        *measurements,
    ]


def _count_languages(measurements: list[Measurement], note: str) -> Measurement:
    """Return how many run it; nothing to rank by while some are left to --full."""
    name = "languages that run it"
    count = sum(measurement.value == "runs" for measurement in measurements)
    if any(measurement.is_full_only for measurement in measurements):
        return Measurement.full_only(name, note=f"{note} {count} so far.")
    return Measurement(name=name, value=count, note=note)


def _try_language(
    language: str, run: Run, model: Model, given: tuple[Array, Path]
) -> Iterator[Measurement]:
    images, folder = given
    expected = np.asarray(model.predict(images))
    begin = time.perf_counter()
    try:
        with silence():
            outputs = run(model, images, folder).reshape(expected.shape)
    except Exception as error:  # noqa: BLE001 - a refusal is an answer
        yield describe_failure(language, error)
        return
    took = time.perf_counter() - begin
    yield Measurement(
        name=language,
        value="runs",
        runs=len(images),
        note=f"Exported, compiled and run in {took:.1f} s.",
    )
    yield Measurement(
        name=f"difference, {language}",
        value=float(np.max(np.abs(outputs - expected))),
        runs=len(images),
        of=language,
    )


ROW = Criterion(
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
    aspects=(ScoredMetric.higher("languages", "languages that run it"),),
)
