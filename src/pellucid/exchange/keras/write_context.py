"""Context of one node while its Keras layers are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from pellucid.exchange.errors import export_error
from pellucid.exchange.keras.entry import Entry
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
    """One node while it is written; entries are put behind each other."""

    node: Node
    layer: Any
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    weights: dict[str, Array]
    source: Layer
    entries: list[Entry]

    def add_layer(
        self,
        kind: str,
        *arrays: Array,
        name: str = "",
        shape: Shape = (),
        **config: Any,
    ) -> None:
        """Add a layer of Keras; what follows reads it.

        Name and shape are the node's unless they are given.
        """
        name = name or self.node.name
        entry = Entry(
            kind=kind,
            name=name,
            config=config,
            inputs=self.inputs,
            arrays=list(arrays),
            shape=shape or self.shape,
        )
        self.entries.append(entry)
        self.inputs = (name,)

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
