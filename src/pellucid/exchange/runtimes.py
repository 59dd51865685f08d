"""This file is the runtimes that exported files are run in, each with its clock."""

from __future__ import annotations

import ctypes
import importlib
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError, MissingExtraError
from pellucid.network import Network

Array = npt.NDArray[Any]
Predict = Callable[[Array], Array]
_REPEATS, _BUDGET_S = 50, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Outputs of a runtime (in pellucid's layout), and how long it took."""

    runtime: str
    outputs: Array
    load_s: float
    latency_s: float


def imported(package: str, format_name: str) -> Any:
    """Import a runtime.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f"format '{format_name}' must be checked in {package}; got {error}. "
            f"Run: pip install {package.partition('.')[0].replace('_', '-')}."
        ) from error


def channels_first(array: Array) -> Array:
    """Return images as (N, C, H, W); anything else as it is."""
    if array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2))


def channels_last(array: Array) -> Array:
    """Undo `channels_first`."""
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def timed(open_: Callable[[], Predict], images: Array, runtime: str) -> Measured:
    """Open, predict all, and time one image: the median of up to 50 calls."""
    begin = time.perf_counter()
    predict = open_()
    load_s = time.perf_counter() - begin
    outputs = predict(images)
    latencies: list[float] = []
    while len(latencies) < _REPEATS and sum(latencies) < _BUDGET_S:
        begin = time.perf_counter()
        predict(images[:1])
        latencies.append(time.perf_counter() - begin)
    return Measured(
        runtime=runtime,
        outputs=np.asarray(outputs),
        load_s=load_s,
        latency_s=statistics.median(latencies),
    )


def onnx(path: Path, network: Network, images: Array) -> Measured:
    """Run in onnxruntime on the CPU."""
    runtime = imported("onnxruntime", "onnx")

    def open_() -> Predict:
        session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def predict(x: Array) -> Array:
            return channels_last(session.run(None, {name: channels_first(x)})[0])

        return predict

    return timed(open_, images, f"onnxruntime {runtime.__version__}")


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
            for image in _quantized(x, entry):
                interpreter.set_tensor(entry["index"], image[None])
                interpreter.invoke()
                outputs.append(interpreter.get_tensor(exit_["index"])[0])
            return _real(np.stack(outputs), exit_)

        return predict

    return timed(open_, images, f"ai-edge-litert {version('ai-edge-litert')}")


def _quantized(x: Array, details: dict[str, Any]) -> Array:
    """Return images as the int8 that the file's input takes; floats as they are."""
    if details["dtype"] != np.int8:
        return x
    scale, zero_point = details["quantization"]
    whole: Array = np.clip(np.round(x / scale) + zero_point, -128, 127)
    return whole.astype(np.int8)


def _real(y: Array, details: dict[str, Any]) -> Array:
    """Undo `_quantized` on outputs."""
    if details["dtype"] != np.int8:
        return y
    scale, zero_point = details["quantization"]
    real: Array = (y.astype(np.float32) - zero_point) * np.float32(scale)
    return real


def ourselves(path: Path, network: Network, images: Array) -> Measured:
    """Read the file back, on the numpy engine."""
    from pellucid.exchange.door import read

    def open_() -> Predict:
        return read(path, engine="numpy").predict

    return timed(open_, images, "pellucid, numpy")


def c(path: Path, network: Network, images: Array) -> Measured:
    """Compile with the machine's compiler, and call."""
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise ExchangeError(
            "export: C must be checked with a compiler; got none. Install gcc."
        )
    header = path.with_suffix(".h").read_text(encoding="utf-8")
    prefix = header.split("_predict ")[0].split()[-1]
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "model.so"
        flags = ["-O3", "-march=native", "-Wall", "-Wextra", "-Werror"]
        command = [compiler, *flags, "-shared", "-fPIC", str(path), "-lm"]
        done = subprocess.run(
            [*command, "-o", str(library)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ExchangeError(
                f"export: '{path}' must compile; got {done.stderr.strip()[:200]}"
            )
        space = int(header.split("_WORKSPACE ")[1].split()[0])
        return timed(
            lambda: _library(library, prefix, space, network), images, "C, compiled"
        )


def _library(library: Path, prefix: str, space: int, network: Network) -> Predict:
    function = getattr(ctypes.CDLL(str(library)), f"{prefix}_predict")
    workspace = np.zeros(space, np.float32)

    def predict(x: Array) -> Array:
        images = np.ascontiguousarray(x, np.float32)
        outputs = np.zeros((len(x), *network.output_shape), np.float32)
        for image, output in zip(images, outputs, strict=True):
            places = (image.ctypes.data, output.ctypes.data, workspace.ctypes.data)
            function(*map(ctypes.c_void_p, places))
        return outputs

    return predict


_NODE = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const begin = performance.now();
const model = await import(pathToFileURL(process.argv[1]));
const load = performance.now() - begin;
const bytes = readFileSync(0);
const images = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const size = model.inputShape.reduce((a, b) => a * b, 1);
const outputs = [];
for (let i = 0; i < images.length; i += size)
  outputs.push(...model.predict(images.subarray(i, i + size)));
const times = [];
for (let i = 0; i < 50; i++) {
  const start = performance.now();
  model.predict(images.subarray(0, size));
  times.push(performance.now() - start);
}
times.sort((a, b) => a - b);
const version = process.version, latency = times[25];
console.log(JSON.stringify({ version, outputs, load, latency }));
"""


def javascript(path: Path, network: Network, images: Array) -> Measured:
    """Run in Node, which keeps the clock itself."""
    node = shutil.which("node")
    if node is None:
        raise ExchangeError(
            "export: JavaScript must be checked in Node; got none. Install Node."
        )
    done = subprocess.run(
        [node, "--input-type=module", "--eval", _NODE, "--", str(path.resolve())],
        input=np.ascontiguousarray(images, np.float32).tobytes(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ExchangeError(
            f"export: '{path}' must run in Node; got {done.stderr.decode()[-200:]}"
        )
    answer = json.loads(done.stdout)
    shape = (len(images), *network.output_shape)
    return Measured(
        runtime=f"Node {answer['version']}",
        outputs=np.asarray(answer["outputs"], np.float32).reshape(shape),
        load_s=answer["load"] / 1000,
        latency_s=answer["latency"] / 1000,
    )


def keras(path: Path, network: Network, images: Array) -> Measured:
    """Load and predict in Keras, whatever framework it stands on here."""
    runtime = imported("keras", "keras")

    def open_() -> Predict:
        model = runtime.saving.load_model(path, compile=False)
        return lambda x: np.asarray(model(x, training=False))

    on = runtime.config.backend()
    return timed(open_, images, f"keras {runtime.__version__} on {on}")


def pt2(path: Path, network: Network, images: Array) -> Measured:
    """Load with `torch.export.load` and predict."""
    torch = imported("torch", "pt2")

    def open_() -> Predict:
        return _torch_predict(torch, torch.export.load(path).module())

    return timed(open_, images, f"torch {torch.__version__}")


def state_dict(path: Path, network: Network, images: Array) -> Measured:
    """Load with ``weights_only=True`` into a module of the network."""
    torch = imported("torch", "state_dict")
    from pellucid.engines.torch.layers import NetworkModule
    from pellucid.engines.torch.layout import Layout

    def open_() -> Predict:
        module = NetworkModule(network, Layout(network))
        module.load_state_dict(torch.load(path, weights_only=True))
        return _torch_predict(torch, module)

    return timed(open_, images, f"torch {torch.__version__}")


def _torch_predict(torch: Any, module: Any) -> Predict:
    def predict(x: Array) -> Array:
        with torch.no_grad():
            outputs = module(torch.from_numpy(channels_first(x))).numpy()
        return channels_last(outputs)

    return predict


RUNTIMES: dict[str, Callable[[Path, Network, Array], Measured]] = {
    "c": c,
    "h5": keras,
    "javascript": javascript,
    "keras": keras,
    "npz": ourselves,
    "onnx": onnx,
    "pt2": pt2,
    "safetensors": ourselves,
    "state_dict": state_dict,
    "tflite": litert,
}
