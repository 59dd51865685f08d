"""Write a network as a .keras or an .h5 file."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.exchange.keras.entry import (
    Call,
    Entry,
    Source,
    group_names,
    sort_in_keras_order,
)
from pellucid.exchange.keras.layers import build_entries
from pellucid.exchange.metadata import ModelMetadata
from pellucid.runs import ModelFile

KERAS_VERSION = "3.15.1"  # whose files these are modelled on
CARD = "pellucid_card"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same network makes the same bytes


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the file, legacy HDF5 where the name ends in .h5. Images are NHWC.

    Raises
    ------
    ExchangeError
        If a layer has no exact form in Keras.
    """
    entries, values = build_entries(file)
    outputs = [values[name] for name in file.network.outputs]
    ordered = sort_in_keras_order(entries, outputs)
    config = build_model_config(file, ordered, outputs)
    whole = _write_hdf5 if name.lower().endswith((".h5", ".hdf5")) else _write_zip
    return {name: whole(file, ordered, config)}


def build_model_config(
    file: ModelFile, entries: list[Entry], outputs: Sequence[Source]
) -> dict[str, Any]:
    """Return the model as Keras's JSON."""
    by_name = {entry.name: entry for entry in entries}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": re.sub(r"^[^A-Za-z0-9]|[^A-Za-z0-9_.-]", "_", file.network.name),
            "trainable": True,
            "layers": [_layer_config(entry, by_name) for entry in entries],
            "input_layers": _ports([Source(name) for name in file.network.inputs]),
            "output_layers": _ports(outputs),
        },
        "registered_name": "Functional",
        "build_config": {"input_shape": None},
    }


def _ports(sources: Sequence[Source]) -> list[Any]:
    """Return a model's inputs or outputs: one alone, or several in a list."""
    found = [list(source) for source in sources]
    return found[0] if len(found) == 1 else found


def _layer_config(entry: Entry, by_name: dict[str, Entry]) -> dict[str, Any]:
    return {
        "module": entry.module,
        "class_name": entry.kind,
        "config": {"name": entry.name, **entry.config},
        "registered_name": entry.kind if entry.is_operation else None,
        "name": entry.name,
        "inbound_nodes": [_call(entry, call, by_name) for call in entry.calls],
    }


def _call(entry: Entry, call: Call, by_name: dict[str, Entry]) -> dict[str, Any]:
    tensors: list[Any] = [
        _tensor(by_name[given.layer], given) if isinstance(given, Source) else given
        for given in call
    ]
    is_list = len(tensors) > 1 and not entry.is_operation
    return {"args": [tensors] if is_list else tensors, "kwargs": {}}


def _tensor(entry: Entry, source: Source) -> dict[str, Any]:
    config = {
        "shape": [None, *entry.shapes[source.call]],
        "dtype": entry.dtype,
        "keras_history": list(source),
    }
    return {"class_name": "__keras_tensor__", "config": config}


def _write_zip(file: ModelFile, entries: list[Entry], config: dict[str, Any]) -> bytes:
    card = json.dumps(ModelMetadata.of(file).to_json())
    texts = {
        "metadata.json": json.dumps(
            {"keras_version": KERAS_VERSION, "date_saved": "", CARD: card}
        ),
        "config.json": json.dumps(config),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text)
        weights = zipfile.ZipInfo("model.weights.h5", _EPOCH)
        archive.writestr(weights, _write_weights(entries))
    return buffer.getvalue()


def _write_weights(entries: list[Entry]) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as store:
        store.create_group("vars")
        layers = [entry for entry in entries if not entry.is_operation]
        for entry, group in zip(layers, group_names(layers), strict=True):
            own = f"layers/{group}/vars"
            store.create_group(own).attrs["name"] = entry.name
            inner = f"layers/{group}/{entry.place}/vars" if entry.place else own
            place = store.require_group(inner)
            for i, array in enumerate(entry.arrays):
                place.create_dataset(str(i), data=np.asarray(array, np.float32))
    return buffer.getvalue()


def _write_hdf5(file: ModelFile, entries: list[Entry], config: dict[str, Any]) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as store:
        store.attrs["keras_version"] = KERAS_VERSION
        store.attrs["backend"] = "tensorflow"
        store.attrs["model_config"] = json.dumps(config)
        store.attrs[CARD] = json.dumps(ModelMetadata.of(file).to_json())
        root = store.create_group("model_weights")
        layers = [entry for entry in entries if not entry.is_operation]
        root.attrs["layer_names"] = [entry.name.encode() for entry in layers]
        for entry in layers:
            group = root.create_group(entry.name)
            names = [f"{entry.name}/{i}" for i in range(len(entry.arrays))]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, entry.arrays, strict=True):
                group.create_dataset(name, data=np.asarray(array, np.float32))
    return buffer.getvalue()
