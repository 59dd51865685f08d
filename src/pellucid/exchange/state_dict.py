"""PyTorch `state_dict`: written by name, matched with a known network."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange.checkpoint import read_states
from pellucid.exchange.disk import check_size
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.torch_module import build_module
from pellucid.exchange.torch_weights import choose_weights, place_weights
from pellucid.exchange.weight_matching import WeightMatch
from pellucid.network import Network
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the module's `state_dict`, for ``torch.load(…, weights_only=True)``."""
    import torch

    buffer = io.BytesIO()
    torch.save(build_module(file).state_dict(), buffer)
    return {name: buffer.getvalue()}


def read(path: Path, *, network: Network | None = None) -> ModelFile:
    """Put a `state_dict` on a network.

    Parameters
    ----------
    path : Path
        A `state_dict`, or a checkpoint with one in it (``{"state_dict": …}``,
        ``{"model": …, "epoch": …}``).
    network : Network
        What its weights belong to; `match` says how they are told apart.

    Raises
    ------
    ExchangeError
        If no network is given, the file is none of weights alone, or another's.
    """
    network, arrays, matches = _load(path, network)
    with translate_errors(path, "state_dict"):
        weights = place_weights(network, matches, lambda key: _to_array(arrays, key))
        return ModelMetadata.of_network(network).file(network, weights)


def match(path: Path, network: Network) -> tuple[WeightMatch, ...]:
    """Return which of a file's weights each weight of a network is.

    By name where names agree, with or without a prefix such as ``module.``; else by
    order and shape. See `pellucid.exchange.weight_matching`.

    Raises
    ------
    ExchangeError
        As `read`.
    """
    return _load(path, network)[2]


def _load(
    path: Path, network: Network | None
) -> tuple[Network, dict[str, Any], tuple[WeightMatch, ...]]:
    check_size(path)
    if network is None:
        raise ExchangeError(
            f"import: '{path}' must be read with the network that its weights belong "
            "to, as a state_dict has no layers; got none. Give --network NAME "
            "(network=…)."
        )
    with translate_errors(path, "state_dict"):
        states = read_states(path)
        shapes = {
            place: {name: tuple(array.shape) for name, array in arrays.items()}
            for place, arrays in states.items()
        }
        place, matches = choose_weights(network, shapes)
        return network, states[place], matches


def _to_array(arrays: dict[str, Any], key: str) -> Any:
    tensor = arrays[key]
    if tensor.is_quantized or not tensor.is_floating_point():
        raise ExchangeError(f"import: {key!r} must be of floats; got {tensor.dtype}.")
    return tensor.float().numpy()
