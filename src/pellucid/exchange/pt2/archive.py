"""Load a .pt2 archive without PyTorch: its graph and its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data.archive import ENTRY_LIMIT_BYTES, open_archive, read_entry
from pellucid.errors import ExchangeError
from pellucid.exchange.disk import check_size

Array = npt.NDArray[Any]
# the numbers of torch.export's schema, version 8
_DTYPES = {4: np.int32, 5: np.int64, 7: np.float32, 8: np.float64, 12: np.bool_}
_SCHEMA = 8


@dataclass(frozen=True, slots=True)
class Archive:
    """The exported graph as JSON, weights by their place in it, and the card.

    ``frozen`` are the weights that need no gradient.
    """

    graph: dict[str, Any]
    signature: dict[str, Any]
    arrays: dict[str, Array]
    card: str | None
    frozen: frozenset[str] = frozenset()


def load_archive(path: Path) -> Archive:
    """Open an archive; tensors that were pickled are refused.

    Raises
    ------
    ExchangeError, DataError
        If it is damaged, of another schema, or a tensor is pickled or not whole.
    """
    check_size(path)
    with open_archive(path) as archive:
        names = archive.namelist()
        models = [name for name in names if name.endswith("models/model.json")]
        if len(models) != 1:
            raise ExchangeError(
                f"import: '{path}' must hold models/model.json; got {len(models)}. "
                "Was it written by torch.export.save of PyTorch 2.8 or later?"
            )
        root = models[0].removesuffix("models/model.json")
        model = json.loads(read_entry(archive, models[0]))
        if model["schema_version"]["major"] != _SCHEMA:
            raise ExchangeError(
                f"import: '{path}' must be of schema {_SCHEMA}; "
                f"got {model['schema_version']['major']}."
            )
        arrays: dict[str, Array] = {}
        frozen = set[str]()
        for kind in ("weights", "constants"):
            folder = f"{root}data/{kind}/"
            listing = f"{folder}model_{kind}_config.json"
            if listing not in names:
                continue
            entries = json.loads(read_entry(archive, listing))["config"]
            known: dict[str, Array] = {}  # tensors of several names are one array
            for name, entry in entries.items():
                key = json.dumps([entry["path_name"], entry["tensor_meta"]])
                if key not in known:
                    content = read_entry(archive, f"{folder}{entry['path_name']}")
                    known[key] = _array(name, entry, content)
                arrays[name] = known[key]
                if not entry["tensor_meta"].get("requires_grad", True):
                    frozen.add(name)
        cards = [name for name in names if name.endswith("pellucid_card.json")]
        card = read_entry(archive, cards[0]).decode() if cards else None
    module = model["graph_module"]
    graph, signature = module["graph"], module["signature"]
    return Archive(graph, signature, arrays, card, frozenset(frozen))


def _array(name: str, entry: dict[str, Any], content: bytes) -> Array:
    """Return a tensor from its raw bytes."""
    meta = entry["tensor_meta"]
    if entry["use_pickle"] or meta is None or meta["dtype"] not in _DTYPES:
        raise ExchangeError(
            f"import: tensor {name!r} must be raw numbers of float, int or bool; got "
            "a pickle or another type."
        )
    dtype = np.dtype(_DTYPES[meta["dtype"]])
    shape: list[int] = [int(n["as_int"]) for n in meta["sizes"]]
    strides = [int(n["as_int"]) * dtype.itemsize for n in meta["strides"]]
    offset = int(meta["storage_offset"]["as_int"]) * dtype.itemsize
    reach = offset + sum(s * (n - 1) for s, n in zip(strides, shape, strict=True))
    if min([*shape, *strides, offset, 0]) < 0 or (
        0 not in shape and reach + dtype.itemsize > len(content)
    ):
        raise ExchangeError(
            f"import: tensor {name!r} must be whole; got {len(content)} bytes for "
            f"shape {shape}."
        )
    if 0 in shape:
        return np.zeros(shape, dtype)
    limit = max(ENTRY_LIMIT_BYTES, len(content))
    if prod(shape) * dtype.itemsize > limit:  # strides of 0 cost no bytes
        raise ExchangeError(
            f"import: tensor {name!r} must have at most {limit} bytes; "
            f"got shape {shape}."
        )
    flat = np.ndarray(shape, dtype, content, offset, strides)
    return np.array(flat)
