"""Read a TensorFlow.js layers-model as a network."""

from __future__ import annotations

from collections import defaultdict
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange.disk import read_bytes
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.keras import store
from pellucid.exchange.keras.entry import Entry
from pellucid.exchange.keras.read import build_model, close_input, read_entries
from pellucid.exchange.tfjs.write import CARD, TOPOLOGY
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]


def read(path: Path, *, input_shape: Shape | None = None) -> ModelFile:
    """Read a folder, or the model.json in it; nothing is run.

    ``input_shape`` names sizes that the file leaves free.

    Raises
    ------
    ExchangeError
        If it is damaged, a graph-model, quantized, points outside its folder, or
        holds a layer that cannot be represented exactly.
    """
    if path.is_dir() and not (path / TOPOLOGY).is_file():
        raise ExchangeError(f"import: '{path}' must hold a {TOPOLOGY}; got none.")
    path = path / TOPOLOGY if path.is_dir() else path
    content = read_bytes(path)
    with translate_errors(path, "layers-model"):
        document = store.parse_json(content.decode())
        if document.get("format", "layers-model") != "layers-model":
            raise ExchangeError(
                f"import: '{path}' must be a layers-model; got {document['format']!r}."
            )
        topology = document["modelTopology"]
        config = topology.get("model_config", topology)
        entries = read_entries(config)
        close_input(entries, input_shape)
        _give_weights(document["weightsManifest"], path.parent, entries)
        card = (document.get("userDefinedMetadata") or {}).get(CARD)
        return build_model(config, entries, card)


def _give_weights(manifest: Any, folder: Path, entries: list[Entry]) -> None:
    """Give each layer the arrays whose names begin with its own."""
    by_layer: dict[str, list[Array]] = defaultdict(list)
    for group in manifest:
        content = b"".join(read_bytes(_within(folder, p)) for p in group["paths"])
        start = 0
        for spec in group["weights"]:
            array, start = _array(spec, content, start)
            by_layer[str(spec["name"]).rpartition("/")[0]].append(array)
        if start != len(content):
            raise ExchangeError(
                f"import: weights must have {start} bytes; got {len(content)}."
            )
    for entry in entries:
        entry.arrays = by_layer.get(entry.name, [])


def _array(spec: Any, content: bytes, start: int) -> tuple[Array, int]:
    name, shape = str(spec["name"]), tuple(int(n) for n in spec["shape"])
    if spec["dtype"] != "float32" or "quantization" in spec:
        got = "quantized" if "quantization" in spec else spec["dtype"]
        raise ExchangeError(f"import: weight '{name}' must be float32; got {got}.")
    end = start + 4 * prod(shape)
    if min(shape, default=0) < 0 or end > len(content):
        raise ExchangeError(
            f"import: weight '{name}' must lie in the weights' file; got shape {shape}"
            f" at byte {start} of {len(content)}."
        )
    return np.frombuffer(content[start:end], "<f4").reshape(shape), end


def _within(folder: Path, name: Any) -> Path:
    """Return a file of the folder; refuse names that lead out of it."""
    path = folder / str(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ExchangeError(
            f"import: weights must lie beside {TOPOLOGY}; got {str(name)!r}."
        )
    return path
