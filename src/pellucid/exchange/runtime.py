"""Run a model file in its own runtime, in a process of its own."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange import runtime_process

Array = npt.NDArray[Any]
PACKAGES = {"onnx": "onnxruntime", "tflite": "ai_edge_litert"}
_TIME_LIMIT_S = 60


def is_installed(format_name: str) -> bool:
    """Return whether the runtime of a format is installed."""
    return importlib.util.find_spec(PACKAGES[format_name]) is not None


def run(format_name: str, content: bytes, x: Array) -> Array | None:
    """Return the outputs of a file for an input, both in the file's own layout.

    None where the runtime cannot run the file: refuses it, crashes, or takes longer
    than a minute.
    """
    found = run_several(format_name, content, [x])
    return None if found is None else found[0]


def run_graph(content: bytes, x: Mapping[str, Array]) -> list[Array] | None:
    """Return all outputs of an ONNX file for its inputs by name; None as `run`."""
    if len(x) == 1:
        return run_several("onnx", content, list(x.values()))
    return _run("onnx", content, {f"x {name}": array for name, array in x.items()})


def run_several(
    format_name: str, content: bytes, x: Sequence[Array]
) -> list[Array] | None:
    """Return all outputs of a file for its inputs in order; None as `run`."""
    return _run(format_name, content, {f"x{i}": array for i, array in enumerate(x)})


def _run(
    format_name: str, content: bytes, x: Mapping[str, Array]
) -> list[Array] | None:
    buffer = io.BytesIO()
    given: dict[str, Any] = {"model": np.frombuffer(content, np.uint8), **x}
    np.savez(buffer, **given)
    command = [sys.executable, "-I", str(Path(runtime_process.__file__)), format_name]
    try:
        done = subprocess.run(
            command,
            input=buffer.getvalue(),
            capture_output=True,
            timeout=_TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None
    try:
        with np.load(io.BytesIO(done.stdout), allow_pickle=False) as found:
            return [found[f"y{i}"] for i in range(len(found.files))]
    except (ValueError, KeyError, OSError, EOFError):  # a library printed as well
        return None
