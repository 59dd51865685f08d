"""A network inside a network: its layers, placed again under its name."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from pellucid.errors import NetworkError
from pellucid.network.layers import Input, Layer, Value
from pellucid.network.layers.base import as_value

if TYPE_CHECKING:
    from pellucid.network.graph import Network


def nest(network: Network, inputs: tuple[object, ...]) -> Value | tuple[Value, ...]:
    """Return the values of a network's outputs, its layers placed after the inputs.

    Raises
    ------
    NetworkError
        If there are not as many inputs as the network has.
    """
    who = f"Network '{network.name}'"
    if len(inputs) != len(network.inputs):
        raise NetworkError(
            f"{who}: must have {len(network.inputs)} input(s); got {len(inputs)}."
        )
    given = [as_value(who, value) for value in inputs]
    values = dict(zip(network.inputs, given, strict=True))
    prefix, layers = _prefix(network.name), nameless_layers(network)
    for node in network.nodes:
        if not isinstance(node.layer, Input):
            sources = tuple(values[source] for source in node.inputs)
            stem = f"{prefix}_{node.name}"
            values[node.name] = Value(layers[node.owner], sources, stem)
    outputs = tuple(values[name] for name in network.outputs)
    return outputs[0] if len(outputs) == 1 else outputs


def nameless_layers(network: Network) -> dict[str, Layer]:
    """Return the layers by node, without names: those of the network's first call.

    The same objects at every call, so that all calls share their weights.
    """
    found: dict[str, Layer] | None = network.__dict__.get("_nameless")
    if found is None:
        found = {
            node.name: dataclasses.replace(node.layer, name=None)
            for node in network.nodes
            if not isinstance(node.layer, Input)
        }
        network.__dict__["_nameless"] = found
    return found


def _prefix(name: str) -> str:
    """Return a name for people as the beginning of a node's name."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    return plain if plain[:1].isalpha() else f"network_{plain}".rstrip("_")
