"""Arrays and text in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.storage import recover, write_together

Array = npt.NDArray[Any]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, or as it was before.

    Raises
    ------
    RunError
        If the disk is full or the place cannot be written; nothing is lost.
    """
    write_together(path.parent, {path.name: content})


def tensor_bytes(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Return arrays and text as the content of a safetensors file."""
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    shaped = {name: a.reshape(tensors[name].shape) for name, a in whole.items()}
    return bytes(save(shaped, metadata=dict(metadata)))


def parse_tensors(content: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    """Return what `tensor_bytes` was given; the arrays are copies.

    Raises
    ------
    ExchangeError
        If the content is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
        # the file begins with the length of its JSON header; `load` keeps no metadata
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ExchangeError(
            f"load: the content must be a safetensors file; got {error}."
        ) from error
    return tensors, dict(header.get("__metadata__", {}))


def read_tensors(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the text of a safetensors file.

    Raises
    ------
    ExchangeError
        If the file does not exist or is no safetensors file.
    RunError
        If a write that was cut off cannot be finished.
    """
    from safetensors import SafetensorError, safe_open

    recover(path.parent)
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
