"""Layouts: canonical weights to Keras' variables and back.

Images, convolutions and dense weights are canonical as they are. A transposed
convolution's kernel is (kh, kw, out / groups, in) in Keras and (kh, kw, in / groups,
out) here: the groups change sides.
"""

from __future__ import annotations

from typing import Any

from pellucid.engines.protocol import Array
from pellucid.network import Network
from pellucid.network import layers as pl

#: role of a weight → attribute of the Keras layer
ATTRIBUTES = {
    "weight": "kernel",
    "bias": "bias",
    "scale": "gamma",
    "slope": "slope",
    "offset": "beta",
    "running_mean": "moving_mean",
    "running_variance": "moving_variance",
    "value": "value",
}


class Layout:
    """Translates the weights of one network."""

    def __init__(self, network: Network) -> None:
        self.groups = {
            f"{node.name}.weight": node.layer.groups
            for node in network.nodes
            if isinstance(node.layer, pl.ConvTranspose2D)
        }

    def weight_in(self, name: str, array: Array) -> Array:
        """Return a weight as Keras has it."""
        return _exchanged(array, self.groups[name]) if name in self.groups else array

    def weight_out(self, name: str, array: Array) -> Array:
        """Undo `weight_in`."""
        return self.weight_in(name, array)  # the exchange is its own inverse


def _exchanged(array: Array, groups: int) -> Array:
    """(kh, kw, a, G·b) → (kh, kw, b, G·a)."""
    kh, kw, a, many = array.shape
    split = array.reshape(kh, kw, a, groups, many // groups)
    return split.transpose(0, 1, 4, 3, 2).reshape(kh, kw, many // groups, groups * a)


def variable_of(layer: Any, role: str) -> Any:
    """Return the tf.Variable of a Keras layer that holds a weight of that role."""
    own = getattr(layer, "own_weights", {})
    return (own[role] if role in own else getattr(layer, ATTRIBUTES[role])).value
