"""Compile exported C with the machine's compiler, and call it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.litert.run import dequantize_output, quantize_input
from pellucid.exchange.runtime_timing import (
    Array,
    Predict,
    RuntimeMeasurement,
    time_runtime,
)
from pellucid.network import Network


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
    entry, exit_ = (
        {
            "dtype": np.int8,
            "quantization": (
                float(_read_define(header, f"{side}_SCALE")),
                int(_read_define(header, f"{side}_ZERO").strip("()")),
            ),
        }
        for side in ("INPUT", "OUTPUT")
    )

    def load() -> Predict:
        call = _load_library(library, header, network, np.int8)
        return lambda x: dequantize_output(call(quantize_input(x, entry)), exit_)

    with tempfile.TemporaryDirectory() as folder:
        library = _compile(path, Path(folder))
        return time_runtime(load, images, "C, compiled")


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
    prefix = header.split("_predict ", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
    function = getattr(ctypes.CDLL(str(library)), f"{prefix}_predict")
    workspace = np.zeros(int(_read_define(header, "WORKSPACE")), dtype)

    def predict(x: Array) -> Array:
        images = np.ascontiguousarray(x, dtype)
        outputs = np.zeros((len(x), *network.output_shape), dtype)
        for image, output in zip(images, outputs, strict=True):
            places = (image.ctypes.data, output.ctypes.data, workspace.ctypes.data)
            function(*map(ctypes.c_void_p, places))
        return outputs

    return predict
