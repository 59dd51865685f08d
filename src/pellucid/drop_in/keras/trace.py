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
from pellucid.network.layers import Shape, Sigmoid, Softmax

#: what losses take together with logits
_ENDS: dict[type, str] = {Softmax: "softmax", Sigmoid: "sigmoid"}


@dataclass(frozen=True, slots=True)
class Trace:
    """A model as a network.

    ``ends`` are the activations that the outputs end in, where they are ones that
    losses take together with logits: ``"softmax"`` along the last axis, or
    ``"sigmoid"``; ``logits`` is the network without them. ``variables`` are the
    model's by the names that the sources have, ``live`` the names of those in layers
    that train.
    """

    network: Network
    logits: Network
    sources: Mapping[str, Source]
    constants: Mapping[str, Array]
    variables: Mapping[str, Any]
    live: frozenset[str]
    ends: tuple[str | None, ...]


def trace(model: Any, input_shapes: tuple[Shape, ...]) -> Trace:
    """Return the network that a model is for inputs of shapes, their batch left out.

    Raises
    ------
    ExchangeError
        If something in the model has no exact counterpart.
    """
    input_shape = input_shapes[0] if len(input_shapes) == 1 else None
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
    if len(found.network.inputs) < len(model.inputs):
        raise ExchangeError(
            "compile: every input must be read; got "
            f"{len(found.network.inputs)} of {len(model.inputs)} that outputs depend "
            "on."
        )
    logits, ends = _without_ends(found.network)
    layers = [layer for layer in model._flatten_layers() if layer.trainable]
    live = {names[id(v)] for layer in layers for v in layer.variables}
    return Trace(
        network=found.network,
        logits=logits,
        sources=found.sources,
        constants=found.constants,
        variables=variables,
        live=frozenset(live),
        ends=ends,
    )


def constants_of(model: Any) -> list[Any]:
    """Return the variables that layers are computed from, and no training changes."""
    return [
        variable
        for layer in model._flatten_layers()
        if type(layer).__name__ == "Normalization"
        for variable in layer.variables
    ]


def _without_ends(network: Network) -> tuple[Network, tuple[str | None, ...]]:
    """Return the network up to its logits where it ends in softmax or sigmoid."""
    outputs = list(network.outputs)
    ends: list[str | None] = [None] * len(outputs)
    for i, output in enumerate(outputs):
        node = network.node(output)
        kind = _ENDS.get(type(node.layer))
        is_last = getattr(node.layer, "axis", -1) == -1
        is_end = kind is not None and is_last and not network.consumers[output]
        if is_end and node.inputs[0] not in outputs:
            outputs[i], ends[i] = node.inputs[0], kind
    dropped = set(network.outputs) - set(outputs)
    if not dropped:
        return network, tuple(ends)
    nodes = [node for node in network.nodes if node.name not in dropped]
    shorter = Network.from_nodes(
        nodes, name=network.name, inputs=network.inputs, outputs=outputs
    )
    return shorter, tuple(ends)
