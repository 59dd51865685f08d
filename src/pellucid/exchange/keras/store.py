"""This file is how Keras's HDF5 is opened without trusting what it says."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange.keras.entry import Entry, group_names

Array = npt.NDArray[Any]
_RATIO = 200  # how often larger than the file its numbers may be


def opened(content: bytes) -> Any:
    """Open HDF5 from memory: it can name other files, and there are none."""
    return h5py.File(io.BytesIO(content), "r")


def array(group: Any, name: str, limit: int) -> Array:
    """Return a dataset's numbers.

    Raises
    ------
    ExchangeError
        If they lie in another file, are no floats, or more than the limit of bytes.
    """
    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ExchangeError(f"import: {name!r} must be in the file; got a link.")
        group = group[part]
    if not isinstance(group, h5py.Dataset) or group.is_virtual or group.external:
        raise ExchangeError(f"import: {name!r} must be an array in the file itself.")
    if group.dtype.kind != "f" or group.nbytes > limit:
        raise ExchangeError(
            f"import: {name!r} must be floats of at most {limit} bytes; got "
            f"{group.dtype} of {group.nbytes} bytes."
        )
    return np.asarray(group[()])


def weights_of(content: bytes, entries: Sequence[Entry]) -> None:
    """Give each layer its arrays from a ``model.weights.h5``."""
    limit = _RATIO * len(content)
    with opened(content) as store:
        layers = store["layers"] if "layers" in store else store["_layer_checkpoint"]
        named = _by_name(layers)
        groups = zip(entries, group_names(list(entries)), strict=True)
        for entry, group in groups:
            key = named.get(entry.name, group)
            if key not in layers or "vars" not in layers[key]:
                continue
            count = len(layers[key]["vars"])
            entry.arrays = [
                array(layers, f"{key}/vars/{i}", limit) for i in range(count)
            ]


def _by_name(layers: Any) -> dict[str, str]:
    """Return groups by the names of their layers, where the file says them."""
    found = {}
    for key in layers:
        if "vars" in layers[key] and "name" in layers[key]["vars"].attrs:
            found[str(layers[key]["vars"].attrs["name"])] = str(key)
    return found


def legacy_weights_of(store: Any, entries: Sequence[Entry], size: int) -> None:
    """Give each layer its arrays from a legacy ``.h5``."""
    root = store.get("model_weights", store)
    for entry in entries:
        if entry.name not in root:
            continue
        group = root[entry.name]
        names = [_text(name) for name in group.attrs.get("weight_names", ())]
        entry.arrays = [array(group, name, _RATIO * size) for name in names]


def attribute(store: Any, name: str) -> str | None:
    """Return a text attribute."""
    value = store.attrs.get(name)
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def parsed(text: str) -> dict[str, Any]:
    """Return JSON text as an object."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ExchangeError(f"import: JSON must be an object; got {text[:40]!r}.")
    return document
