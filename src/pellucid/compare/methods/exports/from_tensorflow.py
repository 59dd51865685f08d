"""TensorFlow's and Keras's exporters, each as its documentation says."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pellucid import exchange
from pellucid.compare.methods.exports import open_files
from pellucid.compare.methods.exports.table import Array, Export, ExportedFile, Predict
from pellucid.model import Model


def _keras(ending: str) -> Export:
    def export(model: Model, images: Array, folder: Path) -> ExportedFile:
        path = folder / f"model{ending}"
        rebuild_plain(model, folder).save(path)

        def open_() -> Predict:
            loaded = keras.saving.load_model(path, compile=False)
            return lambda x: np.asarray(loaded(x, training=False))

        return ExportedFile(path, open_)

    return export


def rebuild_plain(model: Model, folder: Path) -> Any:
    """Return the Keras model as its user would have written it, of Keras' own layers.

    Ours stand in for some that Keras lacks, padding by numbers for example; no file of
    theirs could be opened without pellucid.
    """
    native = model.native
    if all(type(layer).__module__.startswith("keras.") for layer in native.layers):
        return native
    path = exchange.write(model, folder / "plain.keras")
    return keras.saving.load_model(path, compile=False)


def _saved_model(model: Model, images: Array, folder: Path) -> ExportedFile:
    path = folder / "saved_model"
    model.native.export(str(path), format="tf_saved_model", verbose=False)
    return ExportedFile(path, lambda: open_saved_model(path))


def open_saved_model(path: Path) -> Predict:
    """Open a SavedModel by its serving signature."""
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    key = next(iter(serve.structured_input_signature[1]))

    def predict(images: Array) -> Array:
        return np.asarray(next(iter(serve(**{key: tf.constant(images)}).values())))

    predict.owner = loaded  # type: ignore[attr-defined] # its variables live with it
    return predict


def _tflite(model: Model, images: Array, folder: Path) -> ExportedFile:
    path = folder / "model.tflite"
    converter = tf.lite.TFLiteConverter.from_keras_model(model.native)
    path.write_bytes(converter.convert())
    return ExportedFile(path, lambda: open_files.open_litert(path))


def int8(model: Model, images: Array, folder: Path) -> ExportedFile:
    """Convert to LiteRT in int8, calibrated on images."""
    path = folder / "model_int8.tflite"
    converter = tf.lite.TFLiteConverter.from_keras_model(model.native)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())
    return ExportedFile(path, lambda: open_files.open_litert(path))


def _onnx(model: Model, images: Array, folder: Path) -> ExportedFile:
    path = folder / "model.onnx"
    model.native.export(str(path), format="onnx", verbose=False)
    return ExportedFile(path, lambda: open_files.open_onnx(path, channels_first=False))


def _openvino(model: Model, images: Array, folder: Path) -> ExportedFile:
    path = folder / "exported.xml"
    model.native.export(str(path), format="openvino", verbose=False)
    return ExportedFile(
        path, lambda: open_files.open_openvino(path, channels_first=False)
    )


def _openvino_converted(model: Model, images: Array, folder: Path) -> ExportedFile:
    openvino = importlib.import_module("openvino")
    saved, path = folder / "for_openvino", folder / "model.xml"
    model.native.export(str(saved), format="tf_saved_model", verbose=False)
    converted = openvino.convert_model(str(saved))
    openvino.save_model(converted, path, compress_to_fp16=False)  # as all others
    return ExportedFile(
        path, lambda: open_files.open_openvino(path, channels_first=False)
    )


def _tensorflowjs(model: Model, images: Array, folder: Path) -> ExportedFile:
    converters = importlib.import_module("tensorflowjs.converters")
    path = folder / "tfjs"
    converters.save_keras_model(model.native, str(path))
    raise OSError("it was written; Python has no runtime to open it")


EXPORTS: dict[str, Export] = {
    ".keras": _keras(".keras"),
    "HDF5 (.h5)": _keras(".h5"),
    "SavedModel": _saved_model,
    "LiteRT (.tflite)": _tflite,
    "LiteRT int8": int8,
    "ONNX (Model.export)": _onnx,
    "OpenVINO (Model.export)": _openvino,
    "OpenVINO (convert_model)": _openvino_converted,
    "TensorFlow.js": _tensorflowjs,
}
