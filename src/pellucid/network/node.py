"""Node of a network: name, layer and inputs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeVar

from pellucid.network.layers import Layer
from pellucid.network.layers.input import Input

L = TypeVar("L", bound=Layer)


@dataclass(frozen=True, slots=True)
class Node:
    """A name, the layer that stands there, and the names of its inputs.

    ``weights_of`` names the node whose weights this one shares, where it has none of
    its own: a layer was called twice.

    Parameters
    ----------
    name : str
        Unique in the network.
    layer : Layer
        What it computes.
    inputs : tuple of str
        Names of the nodes that it reads.
    weights_of : str, optional
        The node whose weights it shares.
    blocks : tuple of str
        Names of the blocks that it belongs to, the outermost first: for people, so
        that networks with other blocks may be equal.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    weights_of: str | None = None
    blocks: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    @property
    def owner(self) -> str:
        """The node whose name its weights carry: itself, or the one it shares with."""
        return self.weights_of or self.name

    def layer_as(self, kind: type[L]) -> L:
        """Return the layer, which the caller knows to be of that class.

        Parameters
        ----------
        kind : type
            The class.

        Returns
        -------
        Layer
            The node's.

        Raises
        ------
        TypeError
            If it is of another.
        """
        if not isinstance(self.layer, kind):
            raise TypeError(f"{self.layer.who}: layer must be a {kind.__name__} here.")
        return self.layer

    def with_layer(self, layer: Layer) -> Node:
        """Return the node with another layer.

        Parameters
        ----------
        layer : Layer
            The other layer.

        Returns
        -------
        Node
            With the same name and inputs.
        """
        return dataclasses.replace(self, layer=layer)


def place(
    name: str,
    layer: Layer,
    inputs: tuple[str, ...],
    weights_of: str | None = None,
    blocks: tuple[str, ...] = (),
) -> Node:
    """Make a node whose layer knows the node's name, for its errors."""
    if isinstance(layer, Input):
        return Node(name, Input(*layer.shape, name=name), inputs, weights_of, blocks)
    named = dataclasses.replace(layer, name=name)
    return Node(name, named, inputs, weights_of, blocks)
