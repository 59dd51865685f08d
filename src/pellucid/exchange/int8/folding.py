"""Batch norms folded into the layers before them, in a network and its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pellucid.exchange.litert.lower import get_weights, take_norm
from pellucid.network import Node
from pellucid.runs import ModelFile


def fold_batch_norms(file: ModelFile) -> ModelFile:
    """Return a model whose batch norms are part of the layers before them.

    Those that stand behind something else, or whose layer others read as well, stay,
    and so do those where weights are shared, for a fold would change the others, too.
    """
    network, weights = file.network, dict(file.weights)
    shared = network.shared
    nodes: list[Node] = []
    source: dict[str, str] = {}  # norm → the layer that it went into
    for node in network.nodes:
        if node.name in source:
            continue
        layer: Any = node.layer
        norm, folded = take_norm(file, node)
        if norm is not None and not {node.owner, norm.owner} & shared.keys():
            weights.update({f"{node.name}.{role}": w for role, w in folded.items()})
            for role in get_weights(file, norm):
                del weights[f"{norm.name}.{role}"]
            layer, source[norm.name] = replace(layer, bias=True), node.name
        inputs = tuple(source.get(name, name) for name in node.inputs)
        nodes.append(replace(node, layer=layer, inputs=inputs))
    folded_network = network.with_nodes(nodes, renamed=source)
    return replace(file, network=folded_network, weights=weights)
