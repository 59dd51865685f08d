"""Criterion "What can I deploy?": every export format, tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pellucid.compare.criteria.criterion import Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.exports import Export, ExportedFile, get_exporters
from pellucid.compare.methods.exports.table import Array
from pellucid.compare.methods.failure import describe_failure
from pellucid.compare.methods.scripts import silence
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.engines.registry import OURS
from pellucid.exchange.runtimes import RuntimeMeasurement
from pellucid.model import Model

_IMAGES = 4
_SLOW = ("AOTInductor package",)
_ALIKE = (
    1e-3  # of the largest output: beyond float32's rounding, within it no class flips
)


def measure(task: Task) -> list[Measurement]:
    """Export in every way, open again, compare and time."""
    model = build_model(task)
    shown = load_data(task)[0].images[:100]
    images = model.preprocessing.apply(shown, np.float32)
    expected = np.asarray(model.predict(images[:_IMAGES]))
    tried: list[Measurement] = []
    for name, export in get_exporters(task.engine).items():
        if task.is_quick and (left := _explain_full_only(task.engine, name)):
            tried.append(Measurement.full_only(f"export {name}", note=left))
            continue
        folder = task.folder / f"export-{len(tried)}"
        folder.mkdir()
        tried += _try_export(name, export, model, (images, expected, folder))
    words = [
        measurement.value
        for measurement in tried
        if measurement.name.startswith("export ") and not measurement.is_full_only
    ]
    count = sum(word in ("works", "approximate") for word in words)
    note = f"Of {len(words)} tried here; one that fails says why."
    if not words:
        return [Measurement.full_only("formats that work"), *tried]
    return [Measurement(name="formats that work", value=count, note=note), *tried]


def _explain_full_only(engine: str, name: str) -> str:
    """Return why a quick comparison leaves an export out, or nothing."""
    if engine in OURS[1:]:  # they share their exporters
        return f"The same file as of {OURS[0]}: measured by --full."
    return "It compiles C++: measured by --full." if name in _SLOW else ""


def _try_export(
    name: str, export: Export, model: Model, given: tuple[Array, Array, Path]
) -> Iterator[Measurement]:
    images, expected, folder = given
    label = f"export {name}"
    try:
        with silence():
            written = export(model, images, folder)
            measured = written.measure(images[:_IMAGES], name)
        outputs = measured.outputs.reshape(expected.shape)
    except Exception as error:  # noqa: BLE001 - a refusal is an answer
        yield describe_failure(label, error)
        return
    difference = float(np.max(np.abs(outputs - expected)))
    is_alike = difference <= _ALIKE * float(np.max(np.abs(expected)))
    yield Measurement(name=label, value="works" if is_alike else "approximate")
    yield from _measure_file(name, written, measured, difference)


def _measure_file(
    name: str, written: ExportedFile, measured: RuntimeMeasurement, difference: float
) -> Iterator[Measurement]:
    for what, value, unit in (
        ("size", _count_bytes(written.path) / 2**20, "MiB"),
        ("load", measured.load_s * 1000, "ms"),
        ("latency", measured.latency_s * 1000, "ms"),
        ("difference", difference, ""),
    ):
        yield Measurement(
            name=f"{what} {name}", value=value, unit=unit, of=f"export {name}"
        )


def _count_bytes(path: Path) -> int:
    """Return the size of a file with what was written beside it, or of a folder."""
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    beside = [p for p in path.parent.glob(f"{path.stem}.*") if p.is_file()]
    return sum(p.stat().st_size for p in beside)


ROW = Criterion(
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
    aspects=(ScoredMetric.higher("deployment", "formats that work"),),
)
