"""This file is how arrays reach the disk: one safetensors file, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError, RunError

Array = npt.NDArray[Any]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, or as it was before.

    Under a temporary name, flushed, renamed, the folder flushed.

    Raises
    ------
    RunError
        If the disk is full or the place cannot be written; nothing is lost.
    """
    import tempfile  # slow to import; reading needs none

    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
        )
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise RunError(
            f"save: '{path}' must be writable; got {error.strerror or error}. "
            "What was there before is unchanged."
        ) from error


def _flush_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot flush a folder
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_tensors(
    path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> None:
    """Write arrays and text as one safetensors file."""
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    shaped = {name: a.reshape(tensors[name].shape) for name, a in whole.items()}
    write_bytes(path, save(shaped, metadata=dict(metadata)))


def read_tensors(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return what `write_tensors` wrote.

    Raises
    ------
    ExchangeError
        If the file does not exist or is no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ExchangeError(f"load: '{path}' must be a file; got none.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ExchangeError(
            f"load: '{path}' must be a safetensors file; got {error}."
        ) from error
    return tensors, metadata
