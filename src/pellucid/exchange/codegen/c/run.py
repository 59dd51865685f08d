"""Compile exported C with the machine's compiler, and call it."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.litert.run import dequantize_output, quantize_input
from pellucid.exchange.packing import pack, unpack
from pellucid.exchange.runtime_timing import (
    Array,
    Predict,
    RuntimeMeasurement,
    time_runtime,
)
from pellucid.network import Network

#: of a header in int8: a scale and a zero
_SCALES = r"#define \w*SCALE\w* (\S+)\n#define \w*ZERO\w* \((-?\d+)\)"


def c(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Compile with the machine's compiler, and call."""
    header = path.with_suffix(".h").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        library = _compile(path, Path(folder))
        return time_runtime(
            lambda: _load_library(library, header, network), images, "C, compiled"
        )


def c_int8(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Compile, and call with numbers of int8."""
    header = path.with_suffix(".h").read_text(encoding="utf-8")
    pairs = re.findall(_SCALES, header)  # of the inputs, then of the outputs
    details = [
        {"dtype": np.int8, "quantization": (float(scale), int(zero))}
        for scale, zero in pairs
    ]
    count = len(network.inputs)
    entries, ends = details[:count], details[count:]

    def load() -> Predict:
        call = _load_library(library, header, network, np.int8)

        def predict(x: Array) -> Array:
            given = _by_port(network, network.inputs, x, entries, quantize_input)
            made = call(given)
            return _by_port(network, network.outputs, made, ends, dequantize_output)

        return predict

    with tempfile.TemporaryDirectory() as folder:
        library = _compile(path, Path(folder))
        return time_runtime(load, images, "C, compiled")


def _by_port(
    network: Network,
    names: tuple[str, ...],
    array: Array,
    details: list[dict[str, Any]],
    change: Callable[[Array, Mapping[str, Any]], Array],
) -> Array:
    """Change each port's part of what may be packed, by what its integers mean."""
    if len(names) == 1:
        return change(array, details[0])
    parts = unpack(array, [network.shapes[name] for name in names])
    return pack([change(*pair) for pair in zip(parts, details, strict=True)])


def _compile(path: Path, folder: Path) -> Path:
    """Return a library with the file's functions in it."""
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise ExchangeError(
            "export: C must be checked with a compiler; got none. Install gcc."
        )
    library = folder / "model.so"
    flags = ["-O3", "-march=native", "-Wall", "-Wextra", "-Werror"]
    command = [compiler, *flags, "-shared", "-fPIC", str(path), "-lm"]
    done = subprocess.run(
        [*command, "-o", str(library)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ExchangeError(
            f"export: '{path}' must compile; got {done.stderr.strip()[:200]}"
        )
    return library


def _read_define(header: str, name: str) -> str:
    """Return what a header defines a name as."""
    return header.split(f"_{name} ")[1].split(maxsplit=1)[0]


def _load_library(
    library: Path, header: str, network: Network, dtype: Any = np.float32
) -> Predict:
    """Return a function of images; of several inputs and outputs packed as one array.

    Those of one example lie behind each other, and each is passed by its address.
    """
    prefix = header.split("_predict ", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
    function = getattr(ctypes.CDLL(str(library)), f"{prefix}_predict")
    workspace = np.zeros(int(_read_define(header, "WORKSPACE")), dtype)
    is_packed = len(network.inputs) > 1 or len(network.outputs) > 1
    takes, gives = (
        [prod(network.shapes[name]) for name in names]
        for names in (network.inputs, network.outputs)
    )
    shape = (sum(gives),) if is_packed else network.output_shape

    def predict(x: Array) -> Array:
        images = np.ascontiguousarray(x, dtype)
        outputs = np.zeros((len(x), *shape), dtype)
        for image, output in zip(images, outputs, strict=True):
            places = [*_places(image, takes), *_places(output, gives)]
            function(*map(ctypes.c_void_p, [*places, workspace.ctypes.data]))
        return outputs

    return predict


def _places(array: Array, sizes: list[int]) -> list[int]:
    """Return the addresses of parts that lie behind each other."""
    begins = np.cumsum([0, *sizes[:-1]])
    return [int(array.ctypes.data + array.itemsize * begin) for begin in begins]
