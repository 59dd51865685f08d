"""Read a TensorFlow.js layers-model or graph-model as a network."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange.disk import read_bytes
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.keras import store
from pellucid.exchange.keras.build import build_model
from pellucid.exchange.keras.store import give_by_name
from pellucid.exchange.keras.topology import read_topology
from pellucid.exchange.tfjs.graph_model import build_graph_model
from pellucid.exchange.tfjs.write import CARD, TOPOLOGY
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_FOLLOWS = "2"  # the Keras whose layers these are
_KINDS = ("layers-model", "graph-model")
_QUANTIZED = {"uint8": "<u1", "uint16": "<u2", "float16": "<f2"}
_STORED = {"float32": "<f4", "int32": "<i4", **_QUANTIZED}


def read(path: Path, *, input_shape: Shape | None = None) -> ModelFile:
    """Read a folder, or the model.json in it; nothing is run.

    ``input_shape`` names sizes that the file leaves free.

    Raises
    ------
    ExchangeError
        If it is damaged, points outside its folder, or
        holds a layer that cannot be represented exactly.
    """
    if path.is_dir() and not (path / TOPOLOGY).is_file():
        raise ExchangeError(f"import: '{path}' must hold a {TOPOLOGY}; got none.")
    path = path / TOPOLOGY if path.is_dir() else path
    content = read_bytes(path)
    with translate_errors(path, "layers-model"):
        document = store.parse_json(content.decode())
        kind = document.get("format")
        if kind is None:  # early converters did not say which of the two it is
            is_graph = "node" in document["modelTopology"]
            kind = "graph-model" if is_graph else "layers-model"
        if kind not in _KINDS:
            raise ExchangeError(
                f"import: '{path}' must be a {' or '.join(_KINDS)}; got {kind!r}."
            )
        if kind == "graph-model":
            return build_graph_model(
                document,
                _read_arrays(document["weightsManifest"], path.parent),
                name=path.parent.stem if path.name == TOPOLOGY else path.stem,
                input_shape=input_shape,
            )
        topology = document["modelTopology"]
        config = topology.get("model_config", topology)
        layers = read_topology(config)
        layers.close_input(input_shape)
        arrays = _read_arrays(document["weightsManifest"], path.parent)
        give_by_name(layers.layers(), arrays)
        card = (document.get("userDefinedMetadata") or {}).get(CARD)
        return build_model(layers, card, version=_FOLLOWS)


def _read_arrays(manifest: Any, folder: Path) -> dict[str, Array]:
    """Return all weights by name, in the file's order."""
    arrays: dict[str, Array] = {}
    for group in manifest:
        content = b"".join(read_bytes(_within(folder, p)) for p in group["paths"])
        start = 0
        for spec in group["weights"]:
            array, start = read_array(spec, content, start)
            arrays[str(spec["name"])] = array
        if start != len(content):
            raise ExchangeError(
                f"import: weights must have {start} bytes; got {len(content)}."
            )
    return arrays


def read_array(spec: Any, content: bytes, start: int) -> tuple[Array, int]:
    """Return the array that lies at a byte of the weights, and the byte behind it.

    Quantized weights are ``min + scale · q``, computed as TensorFlow.js does.
    """
    name, shape = str(spec["name"]), tuple(int(n) for n in spec["shape"])
    how = spec.get("quantization")
    stored = str(spec["dtype"] if how is None else how["dtype"])
    if stored not in _STORED or spec["dtype"] not in ("float32", "int32"):
        raise ExchangeError(
            f"import: weight '{name}' must be float32, or quantized to "
            f"{', '.join(_QUANTIZED)}; got {spec['dtype']} as {stored}."
        )
    dtype = np.dtype(_STORED[stored])
    end = start + dtype.itemsize * prod(shape)
    if min(shape, default=0) < 0 or end > len(content):
        raise ExchangeError(
            f"import: weight '{name}' must lie in the weights' file; got shape {shape}"
            f" at byte {start} of {len(content)}."
        )
    array = np.frombuffer(content[start:end], dtype).reshape(shape)
    if how is None:
        return array, end
    if stored == "float16":
        return array.astype(np.float32), end
    wide = array.astype(np.float64) * float(how["scale"]) + float(how["min"])
    return wide.astype(spec["dtype"]), end


def _within(folder: Path, name: Any) -> Path:
    """Return a file of the folder; refuse names that lead out of it."""
    path = folder / str(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ExchangeError(
            f"import: weights must lie beside {TOPOLOGY}; got {str(name)!r}."
        )
    return path
