"""Node of a network: name, layer and inputs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from pellucid.network.layers import Layer
from pellucid.network.layers.input import Input


@dataclass(frozen=True, slots=True)
class Node:
    """A name, the layer that stands there, and the names of its inputs."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]

    def with_layer(self, layer: Layer) -> Node:
        """Return the node with another layer."""
        return Node(self.name, layer, self.inputs)


def place(name: str, layer: Layer, inputs: tuple[str, ...]) -> Node:
    """Make a node whose layer knows the node's name, for its errors."""
    if isinstance(layer, Input):
        return Node(name, Input(*layer.shape, name=name), inputs)
    return Node(name, dataclasses.replace(layer, name=name), inputs)
