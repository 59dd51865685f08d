"""Batch norms folded into the layers before them, in a network and its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.exchange.codegen.weight_packing import fold_batch_norm
from pellucid.exchange.litert.lower import TAKES_NORM, find_only_reader, get_weights
from pellucid.network import Node
from pellucid.network import layers as pl
from pellucid.runs import ModelFile


def fold_batch_norms(file: ModelFile) -> ModelFile:
    """Return a model whose batch norms are part of the layers before them.

    Those that stand behind something else, or whose layer others read as well, stay.
    """
    network, weights = file.network, dict(file.weights)
    nodes: list[Node] = []
    source: dict[str, str] = {}  # norm → the layer that it went into
    for node in network.nodes:
        if node.name in source:
            continue
        layer: Any = node.layer
        norm = None
        if isinstance(layer, TAKES_NORM):
            norm = find_only_reader(network, node, pl.BatchNorm)
        if norm is not None:
            scale, shift = fold_batch_norm(
                get_weights(file, norm), getattr(norm.layer, "epsilon", 0.0)
            )
            own = get_weights(file, node)
            made = {
                "weight": own["weight"] * scale,
                "bias": own.get("bias", 0.0) * scale + shift,
            }
            for role, array in made.items():
                weights[f"{node.name}.{role}"] = array.astype(np.float32)
            for role in get_weights(file, norm):
                del weights[f"{norm.name}.{role}"]
            layer, source[norm.name] = replace(layer, bias=True), node.name
        inputs = tuple(source.get(name, name) for name in node.inputs)
        nodes.append(replace(node, layer=layer, inputs=inputs))
    folded = network.with_nodes(nodes, renamed=source)
    return replace(file, network=folded, weights=weights)
