"""Nodes that share their weights with another node."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pellucid.errors import NetworkError, ShapeError
from pellucid.network.layers import Shape
from pellucid.network.node import Node


def check_sharing(nodes: tuple[Node, ...], shapes: Mapping[str, Shape]) -> None:
    """Check that nodes with another's weights can have them.

    Raises
    ------
    NetworkError
        If the other node does not exist or has none of its own, or the two layers
        are not the same.
    ShapeError
        If their weights differ in shape.
    """
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        if node.weights_of is None:
            continue
        owner = by_name.get(node.weights_of)
        if owner is None or owner.weights_of is not None:
            raise NetworkError(
                f"Network: weights_of of node '{node.name}' must name a node with "
                f"weights of its own; got {node.weights_of!r}."
            )
        _check_same_layer(node, owner)
        mine, theirs = (_weight_shapes(n, shapes) for n in (node, owner))
        if mine != theirs:
            raise ShapeError(
                f"Network: nodes '{owner.name}' and '{node.name}' must have weights of "
                f"one shape to share them; got {theirs} and {mine}."
            )


def _check_same_layer(node: Node, owner: Node) -> None:
    named = dataclasses.replace(node.layer, name=owner.layer.name)
    if named != owner.layer:
        raise NetworkError(
            f"Network: nodes '{owner.name}' and '{node.name}' must have the same layer "
            f"to share its weights; got {owner.layer!r} and {node.layer!r}."
        )


def _weight_shapes(node: Node, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    inputs = (shapes[source] for source in node.inputs)
    return {spec.role: spec.shape for spec in node.layer.weights(*inputs)}
