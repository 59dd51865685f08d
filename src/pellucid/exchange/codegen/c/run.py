"""This file is C files compiled with the machine's compiler, and called."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.clock import Array, Measured, Predict, timed
from pellucid.exchange.litert.run import as_int8, as_real
from pellucid.network import Network


def c(path: Path, network: Network, images: Array) -> Measured:
    """Compile with the machine's compiler, and call."""
    header = path.with_suffix(".h").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        library = _compiled(path, Path(folder))
        return timed(lambda: _library(library, header, network), images, "C, compiled")


def c_int8(path: Path, network: Network, images: Array) -> Measured:
    """Compile, and call with numbers of int8."""
    header = path.with_suffix(".h").read_text(encoding="utf-8")
    entry, exit_ = (
        {
            "dtype": np.int8,
            "quantization": (
                float(_defined(header, f"{side}_SCALE")),
                int(_defined(header, f"{side}_ZERO").strip("()")),
            ),
        }
        for side in ("INPUT", "OUTPUT")
    )

    def open_() -> Predict:
        call = _library(library, header, network, np.int8)
        return lambda x: as_real(call(as_int8(x, entry)), exit_)

    with tempfile.TemporaryDirectory() as folder:
        library = _compiled(path, Path(folder))
        return timed(open_, images, "C, compiled")


def _compiled(path: Path, folder: Path) -> Path:
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


def _defined(header: str, name: str) -> str:
    """Return what a header defines a name as."""
    return header.split(f"_{name} ")[1].split(maxsplit=1)[0]


def _library(
    library: Path, header: str, network: Network, dtype: Any = np.float32
) -> Predict:
    prefix = header.split("_predict ", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
    function = getattr(ctypes.CDLL(str(library)), f"{prefix}_predict")
    workspace = np.zeros(int(_defined(header, "WORKSPACE")), dtype)

    def predict(x: Array) -> Array:
        images = np.ascontiguousarray(x, dtype)
        outputs = np.zeros((len(x), *network.output_shape), dtype)
        for image, output in zip(images, outputs, strict=True):
            places = (image.ctypes.data, output.ctypes.data, workspace.ctypes.data)
            function(*map(ctypes.c_void_p, places))
        return outputs

    return predict
