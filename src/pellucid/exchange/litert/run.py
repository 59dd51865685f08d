"""Run .tflite files in LiteRT's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.exchange.runtime_timing import (
    Array,
    Predict,
    RuntimeMeasurement,
    import_runtime,
    time_runtime,
)
from pellucid.network import Network


def litert(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Run in LiteRT's interpreter, one image after the other."""
    runtime = import_runtime("ai_edge_litert.interpreter", "tflite")

    def load() -> Predict:
        interpreter = runtime.Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
        (entry,), (exit_,) = (
            interpreter.get_input_details(),
            interpreter.get_output_details(),
        )

        def predict(x: Array) -> Array:
            outputs = []
            for image in quantize_input(x, entry):
                interpreter.set_tensor(entry["index"], image[None])
                interpreter.invoke()
                outputs.append(interpreter.get_tensor(exit_["index"])[0])
            return dequantize_output(np.stack(outputs), exit_)

        return predict

    return time_runtime(load, images, f"ai-edge-litert {version('ai-edge-litert')}")


def quantize_input(x: Array, details: Mapping[str, Any]) -> Array:
    """Return images as the int8 that the file's input takes; floats as they are."""
    if details["dtype"] != np.int8:
        return x
    scale, zero_point = details["quantization"]
    whole: Array = np.clip(np.round(x / scale) + zero_point, -128, 127)
    return whole.astype(np.int8)


def dequantize_output(y: Array, details: Mapping[str, Any]) -> Array:
    """Undo `quantize_input` on outputs."""
    if details["dtype"] != np.int8:
        return y
    scale, zero_point = details["quantization"]
    real: Array = (y.astype(np.float32) - zero_point) * np.float32(scale)
    return real
