"""Layouts: canonical arrays (channels last) to PyTorch's and back.

Where an image is flattened into a dense layer, PyTorch's own order (C, H, W) is kept
and the dense weight's rows are permuted, so that the module is the one that people
write by hand and its `state_dict` fits theirs. Transposing without permuting is a
silent error: shapes fit, numbers do not.
"""

from __future__ import annotations

from math import prod

import numpy as np

from pellucid.engines.protocol import Array
from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Shape
from pellucid.network.layers.recurrent import gate_order, reorder_gates

#: layers that do to every number the same, whatever the numbers' order
ORDERLESS = (pl.Dropout, pl.LogSoftmax, pl.Pointwise, pl.Softmax)

#: role of a weight → attribute of the module, where the two differ
ATTRIBUTES = {
    "scale": "weight",
    "slope": "weight",
    "offset": "bias",
    "recurrent_bias": "bias_hh_l0",
    "recurrent_weight": "weight_hh_l0",
    "running_variance": "running_var",
}


class Layout:
    """Translates the values and weights of one network.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self.shapes = network.shapes
        self.nodes = {node.name: node for node in network.nodes}
        self.orders: dict[str, Shape] = {}  # node → (H, W, C) that it holds as C, H, W
        for node in network.nodes:
            if isinstance(node.layer, pl.Flatten):
                self.orders.update(self._chain(network, node))

    def _chain(self, network: Network, flatten: Node) -> dict[str, Shape]:
        """Return the nodes from a Flatten to the Dense that takes its order on."""
        shape = network.shapes[flatten.inputs[0]]
        chain, node = [flatten.name], flatten
        while len(shape) == 3 and len(network.consumers[node.name]) == 1:
            if node.name in network.outputs:
                return {}
            (node,) = network.consumers[node.name]
            chain.append(node.name)
            if isinstance(node.layer, pl.Dense):
                if node.owner in network.shared:  # others read it in another order
                    return {}
                return dict.fromkeys(chain, shape)
            if not isinstance(node.layer, ORDERLESS):
                return {}
        return {}

    def keeps(self, node: str) -> bool:
        """Return True where a node's values stay in PyTorch's order when flattened."""
        return node in self.orders and not self._is_dense(node)

    def _is_dense(self, node: str) -> bool:
        return isinstance(self.nodes[node].layer, pl.Dense)

    def value_in(self, node: str, array: Array) -> Array:
        """Return a batch of a node's values as the module has them (a view)."""
        if array.ndim == 4:
            return array.transpose(0, 3, 1, 2)
        if self.keeps(node):
            images = array.reshape(len(array), *self.orders[node])
            return images.transpose(0, 3, 1, 2).reshape(len(array), -1)
        return array

    def value_out(self, node: str, array: Array) -> Array:
        """Undo `value_in`."""
        if array.ndim == 4:
            return array.transpose(0, 2, 3, 1)
        if self.keeps(node):
            height, width, channels = self.orders[node]
            images = array.reshape(len(array), channels, height, width)
            return images.transpose(0, 2, 3, 1).reshape(len(array), -1)
        return array

    def weight_in(self, name: str, array: Array) -> Array:
        """Return a weight as the module has it.

        Convolutions (kh, kw, in, out) → (out, in, kh, kw); transposed ones
        (kh, kw, in / groups, out) → (in, out / groups, kh, kw); dense (in, out) →
        (out, in), with the columns of a flattened image from H, W, C to C, H, W.
        """
        node, role = name.split(".")
        layer = self.nodes[node].layer
        if isinstance(layer, pl.Recurrent):
            return reorder_gates(array, layer.units, *_gates(layer)).T
        if role != "weight" or pl.is_own(layer):
            return array
        if isinstance(layer, pl.ConvTranspose2D):
            kh, kw, per_group, out = array.shape
            split = array.reshape(kh, kw, per_group, layer.groups, out // layer.groups)
            return split.transpose(3, 2, 4, 0, 1).reshape(-1, split.shape[-1], kh, kw)
        if isinstance(layer, pl.Conv1D):
            return array.transpose(2, 1, 0)
        if isinstance(layer, pl.Conv2D):
            return array.transpose(3, 2, 0, 1)
        if node in self.orders:
            array = array[self._rows(node)]
        return array.T

    def weight_out(self, name: str, array: Array) -> Array:
        """Undo `weight_in`."""
        node, role = name.split(".")
        layer = self.nodes[node].layer
        if isinstance(layer, pl.Recurrent):
            ours, theirs = _gates(layer)
            return reorder_gates(array.T, layer.units, theirs, ours)
        if role != "weight" or pl.is_own(layer):
            return array
        if isinstance(layer, pl.ConvTranspose2D):
            channels, per_group, kh, kw = array.shape
            split = array.reshape(layer.groups, -1, per_group, kh, kw)
            return split.transpose(3, 4, 1, 0, 2).reshape(
                kh, kw, channels // layer.groups, -1
            )
        if isinstance(layer, pl.Conv1D):
            return array.transpose(2, 1, 0)
        if isinstance(layer, pl.Conv2D):
            return array.transpose(2, 3, 1, 0)
        if node in self.orders:
            array = array[:, np.argsort(self._rows(node))]
        return array.T

    def _rows(self, node: str) -> Array:
        """Return, for each number in the order C, H, W, its place in H, W, C."""
        shape = self.orders[node]
        return np.arange(prod(shape)).reshape(shape).transpose(2, 0, 1).ravel()


def attribute_of(layer: Layer, role: str) -> str:
    """Return the attribute of a layer's module that holds a weight of that role."""
    if isinstance(layer, pl.Recurrent) and role in ("weight", "bias"):
        return f"{role}_ih_l0"
    return ATTRIBUTES.get(role, role)


def _gates(layer: pl.Recurrent) -> tuple[str, str]:
    """Return the gates in our order and in PyTorch's."""
    return "".join(layer.gates), gate_order(layer, "torch")
