"""Write a network as a .keras or an .h5 file."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import h5py
import numpy as np

from pellucid.exchange.keras.entry import Entry, group_names, sort_in_keras_order
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
    entries, output = build_entries(file)
    ordered = sort_in_keras_order(entries, output)
    whole = _write_hdf5 if name.lower().endswith((".h5", ".hdf5")) else _write_zip
    return {name: whole(file, ordered, output)}


def build_model_config(
    file: ModelFile, entries: list[Entry], output: str
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
            "input_layers": [file.network.inputs[0], 0, 0],
            "output_layers": [output, 0, 0],
        },
        "registered_name": "Functional",
        "build_config": {"input_shape": None},
    }


def _layer_config(entry: Entry, by_name: dict[str, Entry]) -> dict[str, Any]:
    tensors: list[Any] = [
        _tensor(by_name[given]) if isinstance(given, str) else given
        for given in entry.arguments or entry.inputs
    ]
    is_list = len(tensors) > 1 and not entry.is_operation
    nodes: list[dict[str, Any]] = [
        {"args": [tensors] if is_list else tensors, "kwargs": {}}
    ]
    return {
        "module": entry.module,
        "class_name": entry.kind,
        "config": {"name": entry.name, **entry.config},
        "registered_name": entry.kind if entry.is_operation else None,
        "name": entry.name,
        "inbound_nodes": nodes if tensors else [],
    }


def _tensor(source: Entry) -> dict[str, Any]:
    config = {
        "shape": [None, *source.shape],
        "dtype": source.dtype,
        "keras_history": [source.name, 0, 0],
    }
    return {"class_name": "__keras_tensor__", "config": config}


def _write_zip(file: ModelFile, entries: list[Entry], output: str) -> bytes:
    card = json.dumps(ModelMetadata.of(file).to_json())
    texts = {
        "metadata.json": json.dumps(
            {"keras_version": KERAS_VERSION, "date_saved": "", CARD: card}
        ),
        "config.json": json.dumps(build_model_config(file, entries, output)),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text)
        weights = zipfile.ZipInfo("model.weights.h5", _EPOCH)
        archive.writestr(weights, _write_weights(entries))
    return buffer.getvalue()


def _write_weights(entries: list[Entry]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as store:
        store.create_group("vars")
        layers = [entry for entry in entries if not entry.is_operation]
        for entry, group in zip(layers, group_names(layers), strict=True):
            place = store.create_group(f"layers/{group}/vars")
            place.attrs["name"] = entry.name
            for i, array in enumerate(entry.arrays):
                place.create_dataset(str(i), data=np.asarray(array, np.float32))
    return buffer.getvalue()


def _write_hdf5(file: ModelFile, entries: list[Entry], output: str) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as store:
        store.attrs["keras_version"] = KERAS_VERSION
        store.attrs["backend"] = "tensorflow"
        store.attrs["model_config"] = json.dumps(
            build_model_config(file, entries, output)
        )
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
