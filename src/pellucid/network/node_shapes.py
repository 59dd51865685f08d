"""Names and output shapes of a network's nodes, checked."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pellucid.errors import NetworkError, ShapeError
from pellucid.network.checks import is_int
from pellucid.network.layers import Arithmetic, Layer, Shape
from pellucid.network.layers.base import check_arity
from pellucid.network.node import Node

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_names(nodes: Iterable[Node]) -> None:
    """Refuse names that are none."""
    for node in nodes:
        if not _NAME.fullmatch(node.name):
            raise NetworkError(
                "Network: node names must be letters, digits and underscores, "
                f"beginning with a letter; got {node.name!r}."
            )


def output_shapes(nodes: Iterable[Node]) -> dict[str, Shape]:
    """Return the shape of each node's output, without the batch."""
    shapes: dict[str, Shape] = {}
    for node in nodes:
        check_arity(node.layer, len(node.inputs))
        inputs = tuple(shapes[source] for source in node.inputs)
        shapes[node.name] = _output_shape(node.layer, node, inputs)
    return shapes


def _output_shape(layer: Layer, node: Node, inputs: tuple[Shape, ...]) -> Shape:
    try:
        made = layer.output_shape(*inputs)
    except NotImplementedError as error:
        if type(layer).output_shape is not Layer.output_shape:
            raise
        raise NetworkError(
            f"{layer.who}: a layer must have a method output_shape(self, *inputs), "
            "which returns the output's shape without the batch; got none."
        ) from error
    except ShapeError as error:
        if not isinstance(layer, Arithmetic):
            raise
        pairs = zip(inputs, node.inputs, strict=True)
        came = " and ".join(f"{shape} from '{source}'" for shape, source in pairs)
        raise ShapeError(
            f"Network: node '{node.name}' needs inputs of one shape, or with 1 where "
            f"another is larger; got {came}."
        ) from error
    if not isinstance(made, tuple) or not all(map(is_int, made)):
        raise NetworkError(
            f"{layer.who}: output_shape must return a tuple of integers, without the "
            f"batch; got {made!r}."
        )
    return made
