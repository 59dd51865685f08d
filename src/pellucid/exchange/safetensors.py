"""Weights as safetensors, with the network as JSON in the metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.disk import check_size
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.metadata import ModelMetadata
from pellucid.network import dumps, loads
from pellucid.runs import ModelFile
from pellucid.runs.tensor_file import read_tensors

NETWORK, CARD = "network.json", "card.json"


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the file: one tensor a weight, by its name; JSON in the metadata."""
    from safetensors.numpy import save

    metadata = {
        NETWORK: dumps(file.network),
        CARD: json.dumps(ModelMetadata.of(file).to_json()),
    }
    tensors = {key: np.array(array, order="C") for key, array in file.weights.items()}
    return {name: save(tensors, metadata=metadata)}


def read(path: Path) -> ModelFile:
    """Read what `contents` made, or a ``.pellucid`` file under this name.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds tensors without a network.
    """
    check_size(path)
    with translate_errors(path, "safetensors file"):
        tensors, metadata = read_tensors(path)
        if "model.json" in metadata:
            return ModelFile.read(path)
        if NETWORK not in metadata or CARD not in metadata:
            raise ExchangeError(
                f"import: '{path}' must hold {NETWORK} in its metadata; got tensors "
                "only. To put them on a network, use Model.load_weights."
            )
        card = ModelMetadata.from_json(json.loads(metadata[CARD]))
        return card.file(loads(metadata[NETWORK]), tensors)
