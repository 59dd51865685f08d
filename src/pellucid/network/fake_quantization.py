"""Networks with rounded weights, as plain networks and the weights to round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.network.expression.nodes import topological
from pellucid.network.graph import Network
from pellucid.network.layers import FakeQuantized, Layer, Pointwise

Array = npt.NDArray[Any]


def rounds(layer: Layer) -> bool:
    """Whether a layer rounds its weight or its input, which gradients pass through."""
    if not isinstance(layer, Pointwise):
        return isinstance(layer, FakeQuantized)
    return any(part.operator == "round" for part in topological([layer.expression]))


def rounded_weights(network: Network) -> dict[str, int]:
    """Return the weights that a network rounds: name → largest integer."""
    return {
        f"{node.owner}.weight": node.layer.most
        for node in network.nodes
        if isinstance(node.layer, FakeQuantized)
    }


def plain_network(network: Network) -> Network:
    """Return the network without the rounding of its weights."""
    if not rounded_weights(network):
        return network
    nodes = [
        node.with_layer(replace(node.layer.operation, name=node.name))
        if isinstance(node.layer, FakeQuantized)
        else node
        for node in network.nodes
    ]
    return network.with_nodes(nodes)


def round_weight(weight: Array, most: int) -> Array:
    """Return ``s · round(w / s)``, ``s = max |w| / most`` for each output channel."""
    one = weight.dtype.type
    step = np.abs(weight).max(tuple(range(weight.ndim - 1))) * one(1 / most)
    step = np.where(step > 0, step, one(1))
    made: Array = np.rint(weight / step) * step
    return made


def round_weights(network: Network, weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return weights with those rounded that a network rounds."""
    most = rounded_weights(network)
    return {
        name: round_weight(np.asarray(array), most[name]) if name in most else array
        for name, array in weights.items()
    }
