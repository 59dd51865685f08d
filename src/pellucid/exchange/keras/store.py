"""Contents of a Keras HDF5 file: weights by layer, texts by name."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange.keras import hdf5
from pellucid.exchange.keras.entry import Entry, group_names
from pellucid.exchange.keras.topology import Topology

Array = npt.NDArray[Any]
_TIME_LIMIT_S = 20
#: groups of a layer's arrays: its own, and those of layers that it holds
PLACES = (
    "",
    "cell",
    "forward_layer/cell",
    "backward_layer/cell",
    "layer",
    *(f"{word}_dense" for word in ("query", "key", "value", "output")),
    *(f"_{word}_dense" for word in ("query", "key", "value", "output")),
)


@dataclass(frozen=True, slots=True)
class Store:
    """The arrays and attributes of an HDF5 file, and what was wrong in it, by path."""

    arrays: dict[str, Array]
    attributes: dict[str, dict[str, Any]]
    problems: dict[str, str]

    def array(self, path: str) -> Array:
        """Return a dataset; ExchangeError if it is not there, or was not taken."""
        if path not in self.arrays:
            raise ExchangeError(
                f"import: {path!r} must be floats in the file itself, of at most "
                f"{hdf5.RATIO} times its size; got {self.problems.get(path, 'none')}."
            )
        return self.arrays[path]

    def text(self, name: str) -> str | None:
        """Return a text attribute of the file."""
        value = self.attributes[""].get(name)
        return None if value is None else str(value)


def open_hdf5(content: bytes) -> Store:
    """Read HDF5 in a process of its own, as its library can be made to crash.

    Raises
    ------
    ExchangeError
        If that process cannot make sense of it, or takes longer than 20 seconds.
    """
    command = [sys.executable, "-I", str(Path(hdf5.__file__))]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=_TIME_LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ExchangeError(
            f"import: HDF5 must be read within {_TIME_LIMIT_S} s; got no end."
        ) from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1][:200] if lines and done.returncode > 0 else "a crash"
        raise ExchangeError(f"import: HDF5 must be whole; got {reason.rstrip('.')}.")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as found:
        index = json.loads(found["index"].tobytes())
        arrays = {path: found[str(i)] for i, path in enumerate(index["paths"])}
    return Store(arrays, index["attributes"], index["problems"])


def read_weights(content: bytes, topology: Topology) -> None:
    """Give each layer its arrays from a ``model.weights.h5``."""
    store = open_hdf5(content)
    known = Counter(path.rpartition("/")[0] for path in store.arrays)
    known += Counter(path.rpartition("/")[0] for path in store.problems)
    key = "layers" if "layers" in store.attributes else "_layer_checkpoint_dependencies"
    _give(store, known, topology, key, key)


def _give(
    store: Store, known: Counter[str], topology: Topology, root: str, key: str
) -> None:
    """Give the layers of a model in a group their arrays, and those of inner models."""
    named = _by_name(store, root)
    layers = [entry for entry in topology.entries if not entry.is_operation]
    for entry, group in zip(layers, group_names(layers), strict=True):
        place = f"{root}/{named.get(entry.name, group)}"
        if entry.inner is not None:
            _give(store, known, entry.inner, f"{place}/{key}", key)
            continue
        entry.arrays = []
        for inner in PLACES:
            part = f"{place}/{inner}/vars" if inner else f"{place}/vars"
            count = known[part]
            if entry.kind == "Normalization":
                count = min(count, 2)  # without the number of examples, a whole one
            entry.arrays += [store.array(f"{part}/{i}") for i in range(count)]


def _by_name(store: Store, root: str) -> dict[str, str]:
    """Return groups by the names of their layers, where the file says them."""
    depth = root.count("/") + 2
    return {
        str(attributes["name"]): path.split("/")[depth - 1]
        for path, attributes in store.attributes.items()
        if path.startswith(f"{root}/")
        and path.count("/") == depth
        and path.endswith("/vars")
        and "name" in attributes
    }


def _is_count(name: str) -> bool:
    """Return whether a Normalization counts its examples there, in whole numbers."""
    return name.rsplit("/", maxsplit=1)[-1].partition(":")[0] == "count"


def read_legacy_weights(store: Store, topology: Topology) -> None:
    """Give each layer its arrays from a legacy ``.h5``."""
    root = "model_weights/" if "model_weights" in store.attributes else ""
    for entry in topology.entries:
        group = f"{root}{entry.name}"
        names = store.attributes.get(group, {}).get("weight_names", [])
        names = [name for name in names if not _is_count(name)]
        arrays = {name: store.array(f"{group}/{name}") for name in names}
        if entry.inner is None:
            entry.arrays = list(arrays.values())
        else:
            give_by_name(entry.inner.layers(), arrays)


def give_by_name(layers: Iterable[Entry], arrays: Mapping[str, Array]) -> None:
    """Give layers the arrays that are called after them: ``…/<layer>/<weight>``."""
    by_name = {entry.name: entry for entry in layers}
    for name, array in arrays.items():
        parts = name.split("/")[:-1]
        ends = ("/".join(parts[i:]) for i in range(len(parts)))  # the longest first
        layer = next((end for end in ends if end in by_name), None)
        if layer is not None:
            by_name[layer].arrays.append(array)


def parse_json(text: str) -> dict[str, Any]:
    """Return JSON text as an object."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ExchangeError(f"import: JSON must be an object; got {text[:40]!r}.")
    return document
