"""Open a Keras file so that today's Keras takes it: ending and old configurations."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_HDF5 = b"\x89HDF\r\n\x1a\n"
#: arguments that Keras 2 wrote and Keras 3 does not take, with the only value they had
_DROPPED = {"DepthwiseConv2D": {"groups": 1}}


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, else one of Keras 3's zips."""
    with path.open("rb") as file:
        return file.read(len(_HDF5)) == _HDF5


@contextlib.contextmanager
def open_for_keras(path: Path) -> Iterator[Path]:
    """Give the path of a file with the same model that Keras loads."""
    suffix = ".h5" if is_hdf5(path) else ".keras"
    changed = _renew(path) if suffix == ".h5" else None
    if changed is None and path.name.endswith(suffix):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder) / f"model{suffix}"
        if changed is None:
            os.symlink(path.resolve(), there)
        else:
            _copy(path, there, changed)
        yield there


def _renew(path: Path) -> str | None:
    """Return the model's configuration as Keras 3 takes it; None where it is so."""
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
    if text is None:
        return None
    config = json.loads(text)
    return json.dumps(config) if _drop(config) else None


def _drop(value: Any) -> bool:
    """Drop old arguments in place; return whether there were any."""
    found = False
    inner = value.values() if isinstance(value, dict) else value
    for item in inner if isinstance(inner, Iterable) else ():
        found |= isinstance(item, dict | list) and _drop(item)
    if not isinstance(value, dict):
        return found
    config = value.get("config")
    for name, only in _DROPPED.get(str(value.get("class_name")), {}).items():
        if isinstance(config, dict) and config.get(name) == only:
            del config[name]
            found = True
    return found


def _copy(path: Path, there: Path, config: str) -> None:
    import h5py

    shutil.copyfile(path, there)
    with h5py.File(there, "r+") as file:
        file.attrs["model_config"] = config
