"""This file is .tflite files in LiteRT's interpreter, and its numbers of int8."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.exchange.clock import Array, Measured, Predict, imported, timed
from pellucid.network import Network


def litert(path: Path, network: Network, images: Array) -> Measured:
    """Run in LiteRT's interpreter, one image after the other."""
    runtime = imported("ai_edge_litert.interpreter", "tflite")

    def open_() -> Predict:
        interpreter = runtime.Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
        (entry,), (exit_,) = (
            interpreter.get_input_details(),
            interpreter.get_output_details(),
        )

        def predict(x: Array) -> Array:
            outputs = []
            for image in as_int8(x, entry):
                interpreter.set_tensor(entry["index"], image[None])
                interpreter.invoke()
                outputs.append(interpreter.get_tensor(exit_["index"])[0])
            return as_real(np.stack(outputs), exit_)

        return predict

    return timed(open_, images, f"ai-edge-litert {version('ai-edge-litert')}")


def as_int8(x: Array, details: Mapping[str, Any]) -> Array:
    """Return images as the int8 that the file's input takes; floats as they are."""
    if details["dtype"] != np.int8:
        return x
    scale, zero_point = details["quantization"]
    whole: Array = np.clip(np.round(x / scale) + zero_point, -128, 127)
    return whole.astype(np.int8)


def as_real(y: Array, details: Mapping[str, Any]) -> Array:
    """Undo `as_int8` on outputs."""
    if details["dtype"] != np.int8:
        return y
    scale, zero_point = details["quantization"]
    real: Array = (y.astype(np.float32) - zero_point) * np.float32(scale)
    return real
