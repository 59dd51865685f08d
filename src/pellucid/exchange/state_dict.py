"""PyTorch `state_dict`: written by name, matched with a known network."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.engines.torch.layout import Layout, attribute_of
from pellucid.errors import ExchangeError
from pellucid.exchange.checkpoint import read_states
from pellucid.exchange.disk import check_size
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.torch_module import build_module
from pellucid.exchange.weight_matching import (
    Group,
    WeightMatch,
    group_weights,
    match_weights,
)
from pellucid.network import Network, Preprocessing
from pellucid.network.layers import Shape
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
        layout = Layout(network)
        weights = {
            match.weight: layout.weight_out(match.weight, _to_array(arrays, match.key))
            for match in matches
        }
        how = network.preprocessing or Preprocessing.unknown()
        return ModelMetadata(preprocessing=how).file(network, weights)


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
        arrays, matches = _choose(network, read_states(path))
        return network, arrays, matches


def _choose(
    network: Network, states: dict[str, dict[str, Any]]
) -> tuple[dict[str, Any], tuple[WeightMatch, ...]]:
    """Return the set of weights that fits; of several that do, none may be chosen."""
    ours = _group_network(network)
    fitting: dict[str, tuple[WeightMatch, ...]] = {}
    problems: list[ExchangeError] = []
    for place, arrays in states.items():
        shapes = {name: tuple(array.shape) for name, array in arrays.items()}
        try:
            fitting[place] = match_weights(network, ours, group_weights(shapes))
        except ExchangeError as error:
            problems.append(error)
    if not fitting:
        raise problems[0]
    if len(fitting) > 1:
        raise ExchangeError(
            "import: a checkpoint must hold one set of weights for the network; got "
            f"{', '.join(fitting)}. Save the one that you want by itself."
        )
    ((place, matches),) = fitting.items()
    return states[place], matches


def _group_network(network: Network) -> list[Group]:
    """Return a network's layers, with shapes as PyTorch has them."""
    layout = Layout(network)
    members: dict[str, dict[str, tuple[str, Shape]]] = {}
    for weight in network.weights:
        shape = layout.weight_in(weight.name, np.empty(weight.shape, np.int8)).shape
        role = attribute_of(weight.spec.role)
        members.setdefault(weight.node, {})[role] = (weight.name, shape)
    return [Group(name, roles) for name, roles in members.items()]


def _to_array(arrays: dict[str, Any], key: str) -> Any:
    tensor = arrays[key]
    if tensor.is_quantized or not tensor.is_floating_point():
        raise ExchangeError(f"import: {key!r} must be of floats; got {tensor.dtype}.")
    return tensor.float().numpy()
