"""Open exported files in the runtimes that several exporters share."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np

from pellucid.compare.methods.exports.table import Array, Predict


def to_channels_first(images: Array) -> Array:
    """Return images (N, C, H, W)."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def open_onnx(path: Path, *, channels_first: bool) -> Predict:
    """Open in onnxruntime."""
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def predict(images: Array) -> Array:
        x = to_channels_first(images) if channels_first else images
        return np.asarray(session.run(None, {name: x})[0])

    return predict


def open_openvino(path: Path, *, channels_first: bool) -> Predict:
    """Open in OpenVINO, which by itself rounds to bfloat16 where the CPU has it."""
    runtime = importlib.import_module("openvino")
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = runtime.Core().compile_model(path, "CPU", config)

    def predict(images: Array) -> Array:
        x = to_channels_first(images) if channels_first else images
        return np.array(compiled(x)[0])

    return predict


def open_litert(path: Path) -> Predict:
    """Open in LiteRT; quantized inputs and outputs are converted by their scales."""
    runtime = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(model_path=str(path))
    into, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.allocate_tensors()

    def predict(images: Array) -> Array:
        outputs = []
        for image in images:
            interpreter.set_tensor(into["index"], _quantize(image[None], into))
            interpreter.invoke()
            outputs.append(_dequantize(interpreter.get_tensor(out["index"]), out))
        return np.concatenate(outputs)

    return predict


def _quantize(values: Array, details: dict[str, object]) -> Array:
    kind = np.dtype(details["dtype"])  # type: ignore[call-overload]
    if kind == np.float32:
        return values.astype(np.float32)
    scale, zero = details["quantization"]  # type: ignore[misc]
    limits = np.iinfo(kind)
    steps = np.round(values / scale + zero)  # type: ignore[has-type]
    return np.asarray(np.clip(steps, limits.min, limits.max).astype(kind))


def _dequantize(values: Array, details: dict[str, object]) -> Array:
    if values.dtype == np.float32:
        return values.copy()
    scale, zero = details["quantization"]  # type: ignore[misc]
    real = (values.astype(np.float32) - zero) * scale  # type: ignore[has-type]
    return np.asarray(real)
