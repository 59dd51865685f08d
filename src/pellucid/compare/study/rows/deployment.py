"""Criterion "What can I deploy?": every export format, tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pellucid.compare.study.exports import Export, Written, exports_of
from pellucid.compare.study.exports.table import Array
from pellucid.compare.study.figure import Figure
from pellucid.compare.study.refusal import refusal
from pellucid.compare.study.row import Aspect, Row
from pellucid.compare.study.scripts import quietly
from pellucid.compare.study.subject import data_of, model_of
from pellucid.compare.study.task import Task
from pellucid.exchange.runtimes import RuntimeMeasurement
from pellucid.model import Model

_IMAGES = 4
_SLOW = ("AOTInductor package",)
#: engines whose files --quick does not write once more, and where they are
_TWINS = {"numpy": "compiled"}
_ALIKE = (
    1e-3  # of the largest output: beyond float32's rounding, within it no class flips
)


def measure(task: Task) -> list[Figure]:
    """Export in every way, open again, compare and time."""
    model = model_of(task)
    shown = data_of(task)[0].images[:100]
    images = model.preprocessing.apply(shown, np.float32)
    expected = np.asarray(model.predict(images[:_IMAGES]))
    tried: list[Figure] = []
    for name, export in exports_of(task.engine).items():
        if task.is_quick and (left := _left_to_full(task.engine, name)):
            tried.append(Figure.full_only(f"export {name}", note=left))
            continue
        folder = task.folder / f"export-{len(tried)}"
        folder.mkdir()
        tried += _tried(name, export, model, (images, expected, folder))
    words = [
        figure.value
        for figure in tried
        if figure.name.startswith("export ") and not figure.is_full_only
    ]
    count = sum(word in ("works", "approximate") for word in words)
    note = f"Of {len(words)} tried here; one that fails says why."
    if not words:
        return [Figure.full_only("formats that work"), *tried]
    return [Figure(name="formats that work", value=count, note=note), *tried]


def _left_to_full(engine: str, name: str) -> str:
    """Return why a quick comparison leaves an export out, or nothing."""
    if engine in _TWINS:
        return f"The same file as of {_TWINS[engine]}: measured by --full."
    return "It compiles C++: measured by --full." if name in _SLOW else ""


def _tried(
    name: str, export: Export, model: Model, given: tuple[Array, Array, Path]
) -> Iterator[Figure]:
    images, expected, folder = given
    label = f"export {name}"
    try:
        with quietly():
            written = export(model, images, folder)
            measured = written.measured(images[:_IMAGES], name)
        outputs = measured.outputs.reshape(expected.shape)
    except Exception as error:  # noqa: BLE001 - a refusal is an answer
        yield refusal(label, error)
        return
    difference = float(np.max(np.abs(outputs - expected)))
    is_alike = difference <= _ALIKE * float(np.max(np.abs(expected)))
    yield Figure(name=label, value="works" if is_alike else "approximate")
    yield from _sizes(name, written, measured, difference)


def _sizes(
    name: str, written: Written, measured: RuntimeMeasurement, difference: float
) -> Iterator[Figure]:
    for what, value, unit in (
        ("size", _bytes(written.path) / 2**20, "MiB"),
        ("load", measured.load_s * 1000, "ms"),
        ("latency", measured.latency_s * 1000, "ms"),
        ("difference", difference, ""),
    ):
        yield Figure(name=f"{what} {name}", value=value, unit=unit, of=f"export {name}")


def _bytes(path: Path) -> int:
    """Return the size of a file with what was written beside it, or of a folder."""
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    beside = [p for p in path.parent.glob(f"{path.stem}.*") if p.is_file()]
    return sum(p.stat().st_size for p in beside)


ROW = Row(
    name="deployment",
    question="What can I deploy?",
    how="Every export format that a framework has is tried on this very network, "
    "by its own exporters as their documentation says, for our engines by pellucid "
    "export. What was written is opened in its own runtime in the same process and "
    "run: whether it works, or the error; its size, load time, latency for one image "
    "(the median of up to 50 calls), and the largest difference of the outputs of four "
    "images from the framework's own. Approximate: differs by more than 0.1 % of the "
    "largest output. Formats of pellucid are named as pellucid export names them.",
    measure=measure,
    limit_s=240.0,
    needs=("onnx", "onnxruntime", "openvino", "ai-edge-litert", "executorch"),
    aspects=(
        Aspect(
            priority="deployment", figure="formats that work", lower_is_better=False
        ),
    ),
)
