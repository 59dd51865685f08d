"""Run .tflite files in LiteRT's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.engines.integer_networks import find_integer_layer
from pellucid.exchange.packing import pack, unpack
from pellucid.exchange.runtime_layout import adapt, in_batches, is_channels_first
from pellucid.exchange.runtime_timing import (
    Array,
    Predict,
    RuntimeMeasurement,
    import_runtime,
    time_runtime,
)
from pellucid.network import Network
from pellucid.network.quantization import RANGES


def litert(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Run in LiteRT's interpreter, in batches of the file's size."""
    runtime = import_runtime("ai_edge_litert.interpreter", "tflite")

    def load() -> Predict:
        interpreter = runtime.Interpreter(
            model_path=str(path),
            experimental_op_resolver_type=runtime.OpResolverType[_kernels(network)],
        )
        if len(network.inputs) > 1 or len(network.outputs) > 1:
            return _several(interpreter, network)
        (entry,) = interpreter.get_input_details()
        own, gives = network.input_shape, network.output_shape
        takes = entry["shape_signature"] if len(entry["shape_signature"]) else None
        takes = entry["shape"].tolist() if takes is None else takes.tolist()
        sizes = _close(takes, own)
        if sizes != entry["shape"].tolist():
            interpreter.resize_tensor_input(entry["index"], sizes)
        interpreter.allocate_tensors()
        (exit_,) = interpreter.get_output_details()

        def predict(x: Array) -> Array:
            interpreter.set_tensor(entry["index"], quantize_input(x, entry))
            interpreter.reset_all_variables()  # each batch begins anew
            interpreter.invoke()
            return dequantize_output(interpreter.get_tensor(exit_["index"]), exit_)

        return adapt(
            predict, takes=[sizes[0], *takes[1:]], own=own, gives=gives, usual="last"
        )

    return time_runtime(load, images, f"ai-edge-litert {version('ai-edge-litert')}")


def _kernels(network: Network) -> str:
    """Return which kernels define what a network gives: of integers the reference's."""
    return "AUTO" if find_integer_layer(network) is None else "BUILTIN_REF"


def _several(interpreter: Any, network: Network) -> Predict:
    """Return a function of all inputs, packed as one array, to all outputs."""
    interpreter.allocate_tensors()
    shapes = [network.shapes[name] for name in network.inputs]
    entries, ends = interpreter.get_input_details(), interpreter.get_output_details()

    def one(packed: Array) -> Array:
        for entry, array in zip(entries, unpack(packed, shapes), strict=True):
            interpreter.set_tensor(entry["index"], quantize_input(array, entry))
        interpreter.reset_all_variables()  # each batch begins anew
        interpreter.invoke()
        given = ((interpreter.get_tensor(end["index"]), end) for end in ends)
        return pack([dequantize_output(array, end) for array, end in given])

    def predict(packed: Array) -> Array:
        return in_batches(one, packed, 1)

    return predict


def _close(takes: list[int], own: tuple[int, ...]) -> list[int]:
    """Return the file's shape with its free sizes set: a batch of 1, the network's."""
    is_first = is_channels_first(takes, own, usual="last")
    wanted = (own[2], own[0], own[1]) if is_first else own
    if len(wanted) != len(takes) - 1:
        wanted = tuple(takes[1:])
    pairs = zip(takes, (1, *wanted), strict=True)
    return [size if size > 0 else fill for size, fill in pairs]


def quantize_input(x: Array, details: Mapping[str, Any]) -> Array:
    """Return images as the integers that the file's input takes; floats as they are."""
    dtype = np.dtype(details["dtype"])
    if dtype.name not in RANGES:
        return x
    scale, zero_point = details["quantization"]
    steps = (x / np.float32(scale)).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps)  # as QUANTIZE does
    whole: Array = np.clip(rounded + zero_point, *RANGES[dtype.name])
    return whole.astype(dtype)


def dequantize_output(y: Array, details: Mapping[str, Any]) -> Array:
    """Undo `quantize_input` on outputs."""
    if np.dtype(details["dtype"]).name not in RANGES:
        return y
    scale, zero_point = details["quantization"]
    real: Array = (y.astype(np.float32) - zero_point) * np.float32(scale)
    return real
