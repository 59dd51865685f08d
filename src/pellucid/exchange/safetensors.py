"""Weights as safetensors, with the network as JSON in the metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.disk import check_size
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.torch_weights import Array, choose_weights, place_weights
from pellucid.exchange.weight_matching import WeightMatch
from pellucid.network import Network, dumps, loads
from pellucid.network.layers import Shape
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


def read(path: Path, *, network: Network | None = None) -> ModelFile:
    """Read what `contents` made, a ``.pellucid`` file under this name, or weights.

    Parameters
    ----------
    path : Path
    network : Network, optional
        What weights alone belong to, which have PyTorch's names and layouts.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds tensors without a network and none is given.
    """
    check_size(path)
    with translate_errors(path, "safetensors file"):
        tensors, metadata = read_tensors(path)
        if network is not None:
            _check_bare(path, metadata)
            _, matches = choose_weights(network, {"": _shapes(tensors)})
            weights = place_weights(network, matches, lambda key: _floats(tensors, key))
            return ModelMetadata.of_network(network).file(network, weights)
        if "model.json" in metadata:
            return ModelFile.read(path)
        if NETWORK not in metadata or CARD not in metadata:
            raise ExchangeError(
                f"import: '{path}' must hold {NETWORK} in its metadata; got tensors "
                "only. Give the network that they belong to: --network NAME "
                "(network=…)."
            )
        card = ModelMetadata.from_json(json.loads(metadata[CARD]))
        return card.file(loads(metadata[NETWORK]), tensors)


def match(path: Path, network: Network) -> tuple[WeightMatch, ...]:
    """Return which of a file's weights each weight of a network is.

    Raises
    ------
    ExchangeError
        As `read`.
    """
    check_size(path)
    with translate_errors(path, "safetensors file"):
        tensors, metadata = read_tensors(path)
        _check_bare(path, metadata)
        return choose_weights(network, {"": _shapes(tensors)})[1]


def _check_bare(path: Path, metadata: dict[str, str]) -> None:
    if NETWORK in metadata or "model.json" in metadata:
        raise ExchangeError(
            f"import: '{path}' must hold weights alone where a network is given; got "
            "one with a network in it. Leave network out."
        )


def _shapes(tensors: dict[str, Array]) -> dict[str, Shape]:
    return {name: array.shape for name, array in tensors.items()}


def _floats(tensors: dict[str, Array], key: str) -> Array:
    array = tensors[key]
    if array.dtype.kind != "f":
        raise ExchangeError(f"import: {key!r} must be of floats; got {array.dtype}.")
    return array.astype(np.float32)
