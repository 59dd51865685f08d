"""Freeze what does not train: batch norms in evaluation, layers without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.drop_in.learned import Weight, drop_weights, scale_and_offset
from pellucid.drop_in.sources import Found, Source
from pellucid.network import Network
from pellucid.network.layers import BatchNorm
from pellucid.network.node import Node

_STATISTICS = ("running_mean", "running_variance")


def freeze(found: Found, trained: set[str], still: frozenset[str]) -> Found:
    """Return a network of which only what trains takes part in training.

    A batch norm in evaluation whose scale or offset trains becomes one without them,
    a product and a sum. Layers of which some tensors train stay as they are, and so do
    batch norms in training: their running statistics move.

    Parameters
    ----------
    found : Found
        As it was read.
    trained : set of str
        The tensors that train.
    still : frozenset of str
        The running means of batch norms that are in evaluation.
    """
    sources, constants = dict(found.sources), dict(found.constants)
    nodes = [
        made
        for node in found.network.nodes
        for made in _frozen(node, found, trained, still, sources, constants)
    ]
    network = Network.from_nodes(
        nodes,
        name=found.network.name,
        inputs=found.network.inputs,
        outputs=found.network.outputs,
    )
    return Found(network, sources, constants)


def _frozen(
    node: Node,
    found: Found,
    trained: set[str],
    still: frozenset[str],
    sources: dict[str, Source],
    constants: dict[str, Weight],
) -> Iterator[Node]:
    """Give what stands for a node, and its weights their new names."""
    layer: Any = node.layer
    mine = {
        weight.spec.role: found.sources[weight.name]
        for weight in found.network.weights
        if weight.node == node.owner and weight.name in found.sources
    }
    trains = any(name in trained for source in mine.values() for name in source.tensors)
    is_norm = isinstance(layer, BatchNorm)
    is_still = "running_mean" in mine and mine["running_mean"].tensor in still
    if not mine or not layer.trainable or (is_norm and not is_still):
        yield node
    elif not trains:
        yield node.with_layer(replace(layer, trainable=False))
    elif is_norm:
        drop_weights(node, sources, constants)
        name, owner = f"{node.name}_normalized", f"{node.owner}_normalized"
        sources |= {f"{owner}.{role}": mine[role] for role in _STATISTICS}
        count = mine["running_mean"].places.size
        constants[f"{owner}.scale"] = np.ones(count, np.float32)
        constants[f"{owner}.offset"] = np.zeros(count, np.float32)
        alone = replace(layer, trainable=False, name=name)
        shared = None if node.weights_of is None else owner
        yield Node(name, alone, node.inputs, shared, node.blocks)
        yield from scale_and_offset(node, name, found, trained, sources, constants)
    else:
        yield node
