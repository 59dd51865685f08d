"""Files that other people published, in their own runtimes, where that takes more.

Each function returns what runs a file: random inputs, the outputs for them as they lie
here, and the runtime's name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx

Reference = Callable[[Path], tuple[Any, Any, str]]


def in_onnxruntime(*shape: int) -> Reference:
    """Run a file of one input of sequences, whose float32 is short of 1e-5 itself."""

    def reference(path: Path) -> tuple[Any, Any, str]:
        import onnxruntime

        x = _normal(2, *shape)
        session = onnxruntime.InferenceSession(str(path))
        (entry,) = session.get_inputs()
        return x, session.run(None, {entry.name: x}), _name("onnxruntime")

    return reference


def in_litert(*shape: int) -> Reference:
    """Run a file of one input, one example at a time."""

    def reference(path: Path) -> tuple[Any, Any, str]:
        from ai_edge_litert import interpreter

        x, found = _normal(2, *shape), []
        runtime = interpreter.Interpreter(str(path))
        runtime.allocate_tensors()
        (entry,) = runtime.get_input_details()
        for row in x:
            runtime.set_tensor(entry["index"], row[None])
            runtime.invoke()
            ends = runtime.get_output_details()
            found.append([runtime.get_tensor(end["index"]) for end in ends])
        outputs = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        return x, outputs, _name("ai-edge-litert")

    return reference


def voice_detector(samples: int, *states: tuple[int, ...]) -> Reference:
    """Run Silero's detector: samples, states (2, N, units), the rate of 16000."""

    def reference(path: Path) -> tuple[Any, Any, str]:
        import onnxruntime

        x = [_normal(2, samples), *(_normal(2, *shape) for shape in states)]
        session = onnxruntime.InferenceSession(str(path))
        names = [entry.name for entry in session.get_inputs()]
        given = iter([x[0], *(array.swapaxes(0, 1) for array in x[1:])])
        rate = np.array(16000, np.int64)
        feed = {name: rate if name == "sr" else next(given) for name in names}
        first, *ends = session.run(None, feed)
        outputs = [first, *(end.swapaxes(0, 1) for end in ends)]
        return tuple(x), outputs, _name("onnxruntime")

    return reference


def of_the_oldest_opset(path: Path) -> tuple[Any, Any, str]:
    """Run a file of opset 1 in today's words: biases, and shapes as inputs."""
    import onnxruntime

    from pellucid.exchange.onnx.container import load

    model = load(path)
    graph, shapes = model.graph, []
    for node in graph.node:
        for attribute in list(node.attribute):
            if node.op_type == "Add":  # one number a channel, along axis 1
                node.attribute.remove(attribute)
            elif attribute.name == "shape":
                name = f"{node.output[0]}_shape"
                sizes = np.asarray(attribute.ints, np.int64)
                shapes.append(onnx.numpy_helper.from_array(sizes, name))
                node.input.append(name)
                node.attribute.remove(attribute)
    added = {node.input[1] for node in graph.node if node.op_type == "Add"}
    for tensor in list(graph.initializer):
        if tensor.name in added:
            array = onnx.numpy_helper.to_array(tensor).reshape(-1, 1, 1)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    graph.initializer.extend(shapes)
    constants = {tensor.name for tensor in graph.initializer}
    entries = [entry for entry in graph.input if entry.name not in constants]
    del graph.input[:]
    graph.input.extend(entries)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", 13))
    model.ir_version = 8
    x = _normal(1, 1, 224, 224)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (made,) = session.run(None, {entries[0].name: x})
    images, outputs = (np.moveaxis(array, 1, -1) for array in (x, made))
    return images, [outputs], f"{_name('onnxruntime')}, its opset raised"


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _name(package: str) -> str:
    return f"{package} {version(package)}"


def in_litert_from_zeros(path: Path) -> tuple[Any, Any, str]:
    """Run one call of a streaming file, which keeps its states itself, from zeros."""
    import pellucid as pl
    from pellucid.exchange import runtime

    network = pl.exchange.read(path, engine="numpy").network
    first, *states = (network.shapes[name] for name in network.inputs)
    x = [_normal(1, *first), *(np.zeros((1, *shape), np.float32) for shape in states)]
    found = runtime.run_several("tflite_reference", path.read_bytes(), x[:1])
    return tuple(x), found, _name("ai-edge-litert")
