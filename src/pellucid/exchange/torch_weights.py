"""Weights with PyTorch's names and layouts, put on a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.framework_layers.torch_layout import Layout, attribute_of
from pellucid.errors import ExchangeError
from pellucid.exchange.weight_matching import (
    PLUS,
    Group,
    WeightMatch,
    group_weights,
    match_weights,
)
from pellucid.network import Network
from pellucid.network.layers import Shape

Array = npt.NDArray[Any]


def choose_weights(
    network: Network, states: Mapping[str, Mapping[str, Shape]]
) -> tuple[str, tuple[WeightMatch, ...]]:
    """Return which set of weights is the network's, and which weight is which.

    Parameters
    ----------
    network : Network
    states : mapping
        Sets of weights by where they lie in a file, each {name: shape}.

    Raises
    ------
    ExchangeError
        If none fits, or several do.
    """
    ours = _group_network(network)
    fitting: dict[str, tuple[WeightMatch, ...]] = {}
    problems: dict[str, ExchangeError] = {}
    for place, shapes in states.items():
        try:
            fitting[place] = match_weights(network, ours, group_weights(shapes))
        except ExchangeError as error:
            problems[place] = error
    if not fitting:
        raise problems[max(problems, key=lambda place: len(states[place]))]
    if len(fitting) > 1:
        keys = "".join(f"[{key!r}]" for key in next(iter(fitting)).split("."))
        raise ExchangeError(
            "import: a checkpoint must hold one set of weights for the network; got "
            f"{', '.join(fitting)}. Save the one that you want by itself: "
            f"torch.save(torch.load(FILE){keys}, NEW)."
        )
    ((place, matches),) = fitting.items()
    return place, matches


def place_weights(
    network: Network, matches: tuple[WeightMatch, ...], get: Callable[[str], Array]
) -> dict[str, Array]:
    """Return a network's weights in canonical layout; ``get`` takes names of the file.

    Parameters
    ----------
    network : Network
    matches : tuple of WeightMatch
        As `choose_weights` returns them.
    get : function
        Returns the file's array of a name.
    """
    layout = Layout(network)

    def found(match: WeightMatch) -> Array:
        first, *others = (get(key) for key in match.key.split(PLUS))
        return np.asarray(sum(others, first)).reshape(match.shape)

    return {
        match.weight: layout.weight_out(match.weight, found(match)) for match in matches
    }


def _group_network(network: Network) -> list[Group]:
    """Return a network's layers, with shapes as PyTorch has them."""
    layout = Layout(network)
    members: dict[str, dict[str, tuple[str, Shape]]] = {}
    for weight in network.weights:
        shape = layout.weight_in(weight.name, np.empty(weight.shape, np.int8)).shape
        layer = network.node(weight.node).layer
        role = attribute_of(layer, weight.spec.role)
        members.setdefault(weight.node, {})[role] = (weight.name, shape)
    return [Group(name, roles) for name, roles in members.items()]
