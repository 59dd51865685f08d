"""Non-differentiable points: ReLU signs, max-pool winners."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pellucid.engines.numpy.layers.pool import DENSE
from pellucid.engines.numpy.layers.windows import cells, pad
from pellucid.explain.values import Array
from pellucid.network import Network
from pellucid.network.layers import LeakyReLU, MaxPool2D, ReLU

Signature = tuple[bytes, ...]


def signature(network: Network, found: Mapping[str, Array]) -> Signature:
    """Return which side of every corner the network is on, to be compared.

    Parameters
    ----------
    network : Network
    found : mapping of node name to ndarray, shape (N, …)
        Every node's output.
    """
    parts = []
    for node in network.nodes:
        if isinstance(node.layer, ReLU | LeakyReLU):
            parts.append(np.packbits(found[node.inputs[0]] > 0).tobytes())
        elif isinstance(node.layer, MaxPool2D):
            x = found[node.inputs[0]]
            parts.append(_find_winners(node.layer, x, found[node.name]).tobytes())
    return tuple(parts)


def _find_winners(layer: MaxPool2D, x: Array, y: Array) -> Array:
    """Return which cell of each window is its first maximum, shape of y."""
    padded = pad(x, layer.pads((x.shape[1], x.shape[2])), value=-np.inf)
    window = list(cells(layer.kernel, layer.strides, DENSE, (y.shape[1], y.shape[2])))
    winners = np.zeros(y.shape, np.int16)
    for number in range(len(window) - 1, -1, -1):
        winners[padded[window[number][2]] == y] = number
    return winners
