"""Weight layouts of formats that hold images as (N, C, H, W).

Where an image is flattened into a dense layer, the format's own order (C, H, W) is
kept and the dense weight's rows are permuted, as people's own files have it.
Transposing without permuting is a silent error: shapes fit, numbers do not.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.network.layers import Shape

Array = npt.NDArray[Any]
_ORDERLESS = (pl.Dropout, pl.LogSoftmax, pl.Pointwise, pl.Softmax)


def find_flattened_images(network: Network) -> dict[str, Shape]:
    """Return {flatten or dense node: image shape} where the order can be kept.

    That is where each layer between Flatten and Dense does to every number the same.
    """
    found: dict[str, Shape] = {}
    for node in network.nodes:
        if isinstance(node.layer, pl.Flatten):
            dense = _dense_after(network, node)
            shape = network.shapes[node.inputs[0]]
            if dense is not None and len(shape) == 3:
                found[node.name] = found[dense.name] = shape
    return found


def _dense_after(network: Network, node: Node) -> Node | None:
    while len(network.consumers[node.name]) == 1:
        if node.name in network.outputs:
            return None
        (node,) = network.consumers[node.name]
        if isinstance(node.layer, pl.Dense):
            # others that share its weights read them in another order
            return None if node.owner in network.shared else node
        if not isinstance(node.layer, _ORDERLESS):
            return None
    return None


def get_row_order(shape: Shape) -> Array:
    """Return, for each number in the order C, H, W, its place in H, W, C."""
    return np.arange(prod(shape)).reshape(shape).transpose(2, 0, 1).ravel()


def conv_weight(weight: Array) -> Array:
    """(kh, kw, in / groups, out) → (out, in / groups, kh, kw)."""
    return weight.transpose(3, 2, 0, 1)


def conv_transpose_weight(weight: Array, groups: int) -> Array:
    """(kh, kw, in / groups, out) → (in, out / groups, kh, kw)."""
    kh, kw, per_group, out = weight.shape
    split = weight.reshape(kh, kw, per_group, groups, out // groups)
    return split.transpose(3, 2, 4, 0, 1).reshape(-1, out // groups, kh, kw)
