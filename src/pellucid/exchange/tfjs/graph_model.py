"""Read a TensorFlow.js graph-model: a frozen TensorFlow graph as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange.graph.input_sizes import (
    Shapes,
    close_sizes,
    shapes_by_input,
)
from pellucid.exchange.litert.read import read_graph
from pellucid.exchange.tfjs.graph_lower import GraphLowerer
from pellucid.exchange.tfjs.graph_nodes import Node, node_of, parse_nodes
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]


def build_graph_model(
    document: Mapping[str, Any],
    arrays: Mapping[str, Array],
    *,
    name: str,
    input_shape: Shapes | None,
) -> ModelFile:
    """Return the model that a graph and its weights make.

    Parameters
    ----------
    document : mapping
        ``model.json``.
    arrays : mapping of str to array
        Weights by the names of their nodes.
    name : str
        Of the network.
    input_shape : tuple of int, or tuple of tuples, optional
        Sizes of one example that the graph leaves free; of several inputs one shape
        for each.

    Raises
    ------
    ExchangeError
        If it has no input, or an operator that cannot be represented exactly.
    """
    nodes = parse_nodes(document["modelTopology"]["node"])
    entries = [node for node in nodes if node.operator == "Placeholder"]
    if not entries:
        raise ExchangeError("import: a graph must have an input; got none.")
    outputs = _outputs(document)
    wanted = shapes_by_input([node.name for node in entries], input_shape)
    is_single = _is_single(nodes, arrays) or any(_sizes(n)[0] == 1 for n in entries)
    shapes: list[Shape] = []
    lowering = GraphLowerer(name, arrays)
    for node in entries:
        shapes.append(close_sizes(node.name, _sizes(node)[1:], wanted[node.name]))
        lowering.enter(node, shapes[-1], is_single=is_single)
    for node in _needed(nodes, outputs):
        if node not in entries:
            lowering.add(node)
    by_name = {node.name: node for node in nodes}
    places = [lowering.named(by_name[node_of(n)].ref, n) for n in outputs]
    lowering.graph.output, lowering.graph.more_outputs = places[0], tuple(places[1:])
    return read_graph(
        lowering.graph, input_shape=shapes[0] if len(shapes) == 1 else tuple(shapes)
    )


def _outputs(document: Mapping[str, Any]) -> list[str]:
    """Return what the signature names as outputs, else the nodes at the end."""
    extra = document.get("userDefinedMetadata") or {}
    signature = document.get("signature") or extra.get("signature") or {}
    outputs = (signature.get("outputs") or {}).values()
    named = [str(output["name"]) for output in outputs]
    nodes = document["modelTopology"]["node"]
    read = {node_of(str(name)) for node in nodes for name in node.get("input") or ()}
    return named or [str(n["name"]) for n in nodes if str(n["name"]) not in read]


def _sizes(entry: Node) -> list[int | None]:
    shape = entry.attributes.get("shape") or {}
    sizes = [int(dim.get("size", -1)) for dim in shape.get("dim") or ()]
    if len(sizes) < 2:
        raise ExchangeError(
            f"import: input '{entry.name}' must have a known shape (N, …); got {sizes}."
        )
    return [size if size > 0 else None for size in sizes]


def _is_single(nodes: list[Node], arrays: Mapping[str, Array]) -> bool:
    """Return whether a shape in the graph is that of a batch of one alone."""
    shapes = (
        arrays.get(node_of(node.inputs[1]))
        for node in nodes
        if node.operator == "Reshape" and len(node.inputs) == 2
    )
    return any(s is not None and s.size > 1 and s.ravel()[0] == 1 for s in shapes)


def _needed(nodes: list[Node], outputs: list[str]) -> list[Node]:
    """Return the nodes that the outputs need, in their order."""
    wanted = set(map(node_of, outputs))
    for node in reversed(nodes):
        if node.name in wanted:
            wanted.update(map(node_of, node.inputs))
    return [node for node in nodes if node.name in wanted]
