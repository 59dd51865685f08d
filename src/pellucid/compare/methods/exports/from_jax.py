"""JAX's exporters, each as its documentation says."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pellucid.compare.methods.exports import open_files
from pellucid.compare.methods.exports.table import (
    Array,
    Export,
    ExportedFile,
    Predict,
    run_one_by_one,
)
from pellucid.model import Model


def _stablehlo(model: Model, images: Array, folder: Path) -> ExportedFile:
    export: Any = importlib.import_module("jax.export")
    path = folder / "model.jax_export"
    function = _make_function(model)
    kind: Any = jax.ShapeDtypeStruct
    shape = kind((1, *images.shape[1:]), np.float32)
    path.write_bytes(export.export(jax.jit(function))(shape).serialize())

    def open_() -> Predict:
        loaded = jax.jit(export.deserialize(bytearray(path.read_bytes())).call)
        return run_one_by_one(lambda x: np.asarray(loaded(x)))

    return ExportedFile(path, open_)


def _make_function(model: Model) -> Any:
    native = model.native
    return lambda x: native.apply(native.weights, x)


def _convert_by_jax2tf(model: Model, images: Array) -> tuple[Any, Any]:
    """Return TensorFlow, and the network as its function by jax2tf."""
    jax2tf = importlib.import_module("jax.experimental.jax2tf")
    tf = importlib.import_module("tensorflow")
    converted = jax2tf.convert(_make_function(model), with_gradient=False)
    signature = tf.TensorSpec((1, *images.shape[1:]), tf.float32, name="images")
    return tf, tf.function(converted, input_signature=[signature], autograph=False)


def _saved_model(model: Model, images: Array, folder: Path) -> ExportedFile:
    tf, function = _convert_by_jax2tf(model, images)
    path, module = folder / "saved_model", tf.Module()
    module.function = function
    tf.saved_model.save(module, str(path), signatures=function.get_concrete_function())

    def open_() -> Predict:
        opener = importlib.import_module(f"{__package__}.from_tensorflow")
        return run_one_by_one(opener.saved_model(path))

    return ExportedFile(path, open_)


def _tflite(model: Model, images: Array, folder: Path) -> ExportedFile:
    tf, function = _convert_by_jax2tf(model, images)
    path = folder / "model.tflite"
    concrete = [function.get_concrete_function()]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(concrete, function)
    path.write_bytes(converter.convert())
    return ExportedFile(path, lambda: open_files.open_litert(path))


def _onnx(model: Model, images: Array, folder: Path) -> ExportedFile:
    converter = importlib.import_module("jax2onnx")
    path = folder / "model.onnx"
    shape = (1, *images.shape[1:])
    converter.to_onnx(
        _make_function(model), [shape], return_mode="file", output_path=str(path)
    )
    return ExportedFile(
        path, lambda: run_one_by_one(open_files.open_onnx(path, channels_first=False))
    )


def _tf2onnx(model: Model, images: Array, folder: Path) -> ExportedFile:
    converter = importlib.import_module("tf2onnx.convert")
    _, function = _convert_by_jax2tf(model, images)
    path = folder / "model.onnx"
    converter.from_function(
        function, input_signature=function.input_signature, output_path=str(path)
    )
    return ExportedFile(
        path, lambda: run_one_by_one(open_files.open_onnx(path, channels_first=False))
    )


EXPORTS: dict[str, Export] = {
    "jax.export (StableHLO)": _stablehlo,
    "SavedModel (jax2tf)": _saved_model,
    "LiteRT (jax2tf, .tflite)": _tflite,
    "ONNX (jax2tf, tf2onnx)": _tf2onnx,
    "ONNX (jax2onnx)": _onnx,
}
