"""Lower a network to a LiteRT graph, fusing batch norm, ReLU and ReLU6."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange.codegen.weight_packing import fold_batch_norm
from pellucid.exchange.errors import find_writer
from pellucid.exchange.litert.graph import Graph, Value
from pellucid.exchange.litert.layers import WRITERS
from pellucid.exchange.litert.write_context import WriteContext
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.unrolled import unroll
from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_TAKES_NORM = (pl.Conv1D, pl.Conv2D, pl.ConvTranspose2D, pl.Dense)
_TAKES_ACTIVATION = (pl.Add, pl.Conv2D, pl.Dense)
_ACTIVATIONS: dict[type[pl.Layer], str] = {pl.ReLU: "RELU", pl.ReLU6: "RELU6"}


def build_graph(file: ModelFile) -> Graph:
    """Return a model as a graph, norms and activations taken into what they follow.

    Raises
    ------
    ExchangeError
        If a layer has no exact form in LiteRT.
    """
    file = unroll(file, "LiteRT")
    network = file.network
    graph = Graph(name=network.name, card=json.dumps(ModelMetadata.of(file).to_json()))
    graph.shares = bool(network.shared)
    places: dict[str, int] = {}
    for node in network.nodes:
        if node.name in places:
            continue  # taken into the one before
        if isinstance(node.layer, pl.Input):
            shape = (1, *node.layer.shape)
            value = Value(name=node.name, shape=shape, node=node.name)
            places[node.name] = graph.add(value)
        elif isinstance(node.layer, pl.Dropout):
            places[node.name] = places[node.inputs[0]]
        else:
            _write_node(graph, file, node, places)
    graph.input, *inputs = (places[name] for name in network.inputs)
    graph.output, *outputs = (places[name] for name in network.outputs)
    graph.more_inputs, graph.more_outputs = tuple(inputs), tuple(outputs)
    _check_outputs(graph, network, places)
    return graph


def _check_outputs(graph: Graph, network: Network, places: dict[str, int]) -> None:
    """Refuse several outputs of which one is an input or another output."""
    taken = set(graph.all_inputs)
    for name in network.outputs if len(network.outputs) > 1 else ():
        if places[name] in taken:
            raise ExchangeError(
                "export: tflite must have a value of its own for each of several "
                f"outputs; got '{name}', which is an input or another output."
            )
        taken.add(places[name])


def _write_node(
    graph: Graph, file: ModelFile, node: Node, places: dict[str, int]
) -> None:
    """Write a node and what follows it as one operator."""
    network, names = file.network, [node.name]
    norm, weights = take_norm(file, node)
    if norm is not None:
        names.append(norm.name)
    after = None
    if _takes_activation(node, network):
        after = find_only_reader(network, norm or node, (pl.ReLU, pl.ReLU6))
    if after is not None:
        names.append(after.name)
    context = WriteContext(
        graph=graph,
        layer=node.layer,
        names=tuple(names),
        inputs=tuple(places[source] for source in node.inputs),
        shapes=network.input_shapes(node),
        shape=network.shapes[node.name],
        weights=weights,
        activation=_ACTIVATIONS[type(after.layer)] if after else "NONE",
    )
    made = find_writer(WRITERS, node.layer, "LiteRT")(context)
    places.update(dict.fromkeys(names, made))


def _takes_activation(node: Node, network: Network) -> bool:
    """Return whether the operator can; a batch norm on a row ends in a reshape."""
    if isinstance(node.layer, pl.BatchNorm):
        return len(network.shapes[node.name]) == 3
    return isinstance(node.layer, _TAKES_ACTIVATION)


def take_norm(file: ModelFile, node: Node) -> tuple[Node | None, dict[str, Array]]:
    """Return the batch norm that goes into a node, and the node's weights with it.

    None goes where something else stands before the norm, or others read it as well.
    """
    own, norm = get_weights(file, node), None
    if isinstance(node.layer, _TAKES_NORM):
        norm = find_only_reader(file.network, node, pl.BatchNorm)
    if norm is None:
        return None, own
    epsilon = getattr(norm.layer, "epsilon", 0.0)
    scale, shift = fold_batch_norm(get_weights(file, norm), epsilon)
    folded = {
        "weight": own["weight"] * scale,
        "bias": own.get("bias", 0.0) * scale + shift,
    }
    return norm, {role: array.astype(np.float32) for role, array in folded.items()}


def find_only_reader(
    network: Network, node: Node, kind: type[pl.Layer] | tuple[type[pl.Layer], ...]
) -> Node | None:
    """Return the one node that reads a node's output, if it is of that kind."""
    readers = network.consumers[node.name]
    if len(readers) != 1 or node.name in network.outputs:
        return None
    return readers[0] if isinstance(readers[0].layer, kind) else None


def get_weights(file: ModelFile, node: Node) -> dict[str, Array]:
    """Return a node's arrays by role."""
    specs = node.layer.weights(*file.network.input_shapes(node))
    return {
        spec.role: np.asarray(file.weights[f"{node.owner}.{spec.role}"])
        for spec in specs
    }
