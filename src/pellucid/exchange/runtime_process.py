"""Program that runs one model file in its own runtime; started as a process.

Runtimes are native code, which a damaged file can crash. In a process of its own it
takes nothing with it. Reads an .npz of ``model`` (bytes) and inputs from stdin, writes
an .npz of ``y0``, ``y1`` … to stdout. Imports nothing of pellucid.
"""

from __future__ import annotations

import io
import sys
from typing import Any

MEMORY_BYTES = 8 * 2**30  # of address space, beside eight times the input


def onnx(content: bytes, x: dict[str, Any]) -> list[Any]:
    """Run in onnxruntime, without its rewriting of the graph.

    ``x0`` is the only input, ``x <name>`` one of several.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    if "x0" in x:
        given = {session.get_inputs()[0].name: x["x0"]}
    else:
        given = {name.partition(" ")[2]: array for name, array in x.items()}
    return list(session.run(None, given))


def tflite(
    content: bytes,
    given: dict[str, Any],
    kernels: str = "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
) -> list[Any]:
    """Run in LiteRT's interpreter, example by example, with its plain kernels."""
    import numpy as np
    from ai_edge_litert import interpreter

    runtime = interpreter.Interpreter(
        model_content=content,
        experimental_op_resolver_type=interpreter.OpResolverType[kernels],
    )
    x = [given[f"x{i}"] for i in range(len(given))]
    entries, ends = runtime.get_input_details(), runtime.get_output_details()
    size = int(entries[0]["shape"][0])
    for entry, array in zip(entries, x, strict=True):
        if entry["shape"].tolist() != [size, *array.shape[1:]]:
            runtime.resize_tensor_input(entry["index"], [size, *array.shape[1:]])
    outputs: list[list[Any]] = [[] for _ in ends]
    runtime.allocate_tensors()
    for i in range(0, len(x[0]), size):
        for entry, array in zip(entries, x, strict=True):
            runtime.set_tensor(entry["index"], _quantize(array[i : i + size], entry))
        runtime.reset_all_variables()  # each batch begins anew
        runtime.invoke()
        for end, made in zip(ends, outputs, strict=True):
            made.append(_dequantize(runtime.get_tensor(end["index"]), end))
    return [np.concatenate(made) for made in outputs]


def tflite_reference(content: bytes, given: dict[str, Any]) -> list[Any]:
    """Run with LiteRT's reference kernels, which integer networks are defined by."""
    return tflite(content, given, "BUILTIN_REF")


def _quantize(x: Any, details: Any) -> Any:
    """Return real numbers as the integers that an input takes; floats as they are."""
    import numpy as np

    if details["dtype"].__name__ not in ("int8", "uint8"):
        return x
    (scale, zero_point), info = details["quantization"], np.iinfo(details["dtype"])
    steps = (x / np.float32(scale)).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + zero_point
    return np.clip(rounded, info.min, info.max).astype(details["dtype"])


def _dequantize(y: Any, details: Any) -> Any:
    """Undo `_quantize` on outputs."""
    import numpy as np

    if details["dtype"].__name__ not in ("int8", "uint8"):
        return y
    scale, zero_point = details["quantization"]
    return (y.astype(np.float32) - zero_point) * np.float32(scale)


def _limit_memory(size: int) -> None:
    """Let a hostile file run into a wall instead of the machine."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def main() -> int:
    """Read stdin, write stdout."""
    import numpy as np

    content = sys.stdin.buffer.read()
    _limit_memory(MEMORY_BYTES + 8 * len(content))
    with np.load(io.BytesIO(content), allow_pickle=False) as given:
        model = given["model"].tobytes()
        x = {name: given[name] for name in given.files if name != "model"}
    runtimes: dict[str, Any] = {
        "onnx": onnx,
        "tflite": tflite,
        "tflite_reference": tflite_reference,
    }
    found = runtimes[sys.argv[1]](model, x)
    buffer = io.BytesIO()
    outputs: dict[str, Any] = {f"y{i}": y for i, y in enumerate(found)}
    np.savez(buffer, **outputs)
    sys.stdout.buffer.write(buffer.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
