"""Read a live model: which network it is, and which variables its weights are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.drop_in.learned import let_train
from pellucid.drop_in.sources import Source, find_sources
from pellucid.errors import ExchangeError
from pellucid.exchange.graph.tensor import Array
from pellucid.exchange.keras_objects import read_with
from pellucid.network import Network
from pellucid.network.layers import Sigmoid, Softmax

#: what losses take together with logits
_ENDS: dict[type, str] = {Softmax: "softmax", Sigmoid: "sigmoid"}


@dataclass(frozen=True, slots=True)
class Trace:
    """A model as a network.

    ``end`` is the activation that the model ends in, where it is one that losses take
    together with logits: ``"softmax"`` along the last axis, or ``"sigmoid"``;
    ``logits`` is the network without it. ``variables`` are the model's by the names
    that the sources have, ``live`` the names of those in layers that train.
    """

    network: Network
    logits: Network
    sources: Mapping[str, Source]
    constants: Mapping[str, Array]
    variables: Mapping[str, Any]
    live: frozenset[str]
    end: str | None


def trace(model: Any, input_shape: tuple[int, ...]) -> Trace:
    """Return the network that a model is for inputs of a shape, its batch left out.

    Raises
    ------
    ExchangeError
        If the model has several inputs or outputs, or something in it has no exact
        counterpart.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ExchangeError(
            "compile: the model must have one input and one output; got "
            f"{len(model.inputs)} and {len(model.outputs)}."
        )
    variables = {str(i): variable for i, variable in enumerate(model.variables)}
    names = {id(variable): name for name, variable in variables.items()}
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    fixed = {id(variable) for variable in constants_of(model)}
    own = {
        name
        for name, array in arrays.items()
        if array.dtype == np.float32 and id(variables[name]) not in fixed
    }

    def read(given: dict[str, Array]) -> tuple[Network, Mapping[str, Array]]:
        def array_of(value: Any) -> Array:
            name = names.get(id(value))
            return np.array(value) if name is None else given[name]

        file, _ = read_with(model, array_of, input_shape)
        return file.network, file.weights

    found = let_train(find_sources(arrays, own, read), own)
    logits, end = _without_end(found.network)
    layers = [layer for layer in model._flatten_layers() if layer.trainable]
    live = {names[id(v)] for layer in layers for v in layer.variables}
    return Trace(
        network=found.network,
        logits=logits,
        sources=found.sources,
        constants=found.constants,
        variables=variables,
        live=frozenset(live),
        end=end,
    )


def constants_of(model: Any) -> list[Any]:
    """Return the variables that layers are computed from, and no training changes."""
    return [
        variable
        for layer in model._flatten_layers()
        if type(layer).__name__ == "Normalization"
        for variable in layer.variables
    ]


def _without_end(network: Network) -> tuple[Network, str | None]:
    """Return the network up to its logits where it ends in softmax or sigmoid."""
    node = network.node(network.outputs[0])
    kind = _ENDS.get(type(node.layer))
    is_last = getattr(node.layer, "axis", -1) == -1
    if kind is None or not is_last or network.consumers[node.name]:
        return network, None
    nodes = [other for other in network.nodes if other is not node]
    shorter = Network.from_nodes(nodes, name=network.name, outputs=[node.inputs[0]])
    return shorter, kind
