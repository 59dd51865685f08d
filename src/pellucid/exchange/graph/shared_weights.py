"""Nodes whose weights are the same arrays of a file: they share them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.network import Node

Array = npt.NDArray[Any]


def share_weights(nodes: Iterable[Node], weights: Mapping[str, Array]) -> list[Node]:
    """Return the nodes, those that read the same arrays sharing their weights.

    The same, not equal ones: views of one array in memory, which stands for one
    tensor of the file. Layers must be the same as well.

    Parameters
    ----------
    nodes : iterable of Node
        In topological order.
    weights : mapping of weight name to ndarray
        All of them in memory, so that no place is that of two.

    Returns
    -------
    list of Node
        In the same order.
    """
    owners: dict[tuple[object, ...], str] = {}
    found: list[Node] = []
    by_node: dict[str, list[tuple[str, Array]]] = {}
    for name, array in weights.items():
        node_name, _, role = name.partition(".")
        by_node.setdefault(node_name, []).append((role, array))
    for node in nodes:
        mine = by_node.get(node.name)
        if not mine:
            found.append(node)
            continue
        places = tuple((role, *_place(array)) for role, array in mine)
        layer = dataclasses.replace(node.layer, name=None)
        owner = owners.setdefault((layer, places), node.name)
        shared = None if owner == node.name else owner
        found.append(dataclasses.replace(node, weights_of=shared))
    return found


class ReorderedRows:
    """Weights whose rows were put in another order: once for each of a file's."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[Array, Array]] = {}

    def rows(self, weight: Array, order: Array) -> Array:
        """Return an array in which row ``order[j]`` is row j of the weight."""
        key = (*_place(weight), order.tobytes())
        if key not in self._known:
            ours = np.empty_like(weight)
            ours[order] = weight
            self._known[key] = ours, weight  # the latter keeps its place
        return self._known[key][0]


def _place(array: Array) -> tuple[object, ...]:
    """Return what tells arrays in memory apart."""
    start = np.asarray(array).__array_interface__["data"][0]
    return start, array.shape, array.strides, array.dtype.str
