"""Context of one node while its Keras layers are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from pellucid.exchange.errors import export_error
from pellucid.exchange.keras.entry import Entry, Source
from pellucid.network import Node
from pellucid.network.layers import Layer, Shape
from pellucid.network.window import Pads

Array = npt.NDArray[Any]
ZEROS: Pads = ((0, 0), (0, 0))


def to_lists(sides: Pads) -> list[list[int]]:
    """Return pads as JSON has them."""
    return [list(pair) for pair in sides]


@dataclass(slots=True, kw_only=True)
class WriteContext:
    """One node while it is written; entries are put behind each other.

    ``holders`` are the layers with arrays, by the node whose weights these are.
    """

    node: Node
    layer: Any
    inputs: tuple[Source, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    weights: dict[str, Array]
    source: Layer
    entries: list[Entry]
    holders: dict[str, Entry]

    def add_layer(
        self,
        kind: str,
        *arrays: Array,
        name: str = "",
        shape: Shape = (),
        place: str = "",
        **config: Any,
    ) -> None:
        """Add a layer of Keras; what follows reads it.

        Name and shape are the node's unless they are given.
        """
        name, shape = name or self.node.name, shape or self.shape
        holder = self.holders.get(self.node.owner) if arrays else None
        if holder is None:
            holder = Entry(
                kind=kind, name=name, config=config, arrays=list(arrays), place=place
            )
            self.entries.append(holder)
            if arrays:
                self.holders[self.node.owner] = holder
        elif (holder.kind, holder.config) != (kind, config):
            raise self.make_error(
                f"it must be the layer that it is at '{self.node.owner}', whose "
                "weights it shares; its padding is another for its size"
            )
        holder.calls.append(self.inputs)
        holder.shapes.append(shape)
        self.inputs = (Source(holder.name, len(holder.calls) - 1),)

    def add_padding(self, sides: Pads) -> None:
        """Put zeros around the image first."""
        if sides != ZEROS:
            name = f"{self.node.name}_padding"
            height, width, channels = self.shapes[0]
            shape = height + sum(sides[0]), width + sum(sides[1]), channels
            self.add_layer(
                "ZeroPadding2D", name=name, shape=shape, padding=to_lists(sides)
            )

    def make_error(self, reason: str) -> Exception:
        """Return the error for what Keras cannot express."""
        return export_error("Keras", self.layer.who, reason)
