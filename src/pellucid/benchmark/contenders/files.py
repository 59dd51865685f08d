"""Model files that inference runtimes read, made once per case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.models import build_model, strip_softmax


def get_onnx_file(case: Case) -> Path:
    """Return the case's network as an ONNX file."""
    return _write_once(case, ".onnx", _write_onnx)


def get_litert_file(case: Case) -> Path:
    """Return the case's network as a LiteRT file, by TensorFlow's own converter."""
    return _write_once(case, ".tflite", _write_litert)


def _write_once(case: Case, suffix: str, write: Callable[[Case, Path], None]) -> Path:
    folder = Path(case.files or ".")
    path = folder / f"{case.network.name}-{case.trained_epochs}{suffix}"
    if not path.is_file():
        write(case, path)
    return path


def _write_onnx(case: Case, path: Path) -> None:
    from pellucid import exchange

    network = strip_softmax(case.network)
    exchange.write(build_model(case, "numpy", network), path)


def _write_litert(case: Case, path: Path) -> None:
    from pellucid.benchmark.contenders.tensorflow import keras_model
    from pellucid.engines.tensorflow.imports import quiet, tf

    with quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(keras_model(case))
        path.write_bytes(converter.convert())
