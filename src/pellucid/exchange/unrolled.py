"""Recurrent layers written out step by step, for formats that have none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.errors import export_error
from pellucid.exchange.graph.recurrent import (
    MOST_STEPS,
    join_rows,
    place_steps,
)
from pellucid.exchange.graph.tensor import Array
from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Recurrent
from pellucid.network.node import place as make_node
from pellucid.runs import ModelFile


def unroll(
    file: ModelFile,
    format_name: str,
    chosen: Callable[[Recurrent], bool] = lambda layer: True,
) -> ModelFile:
    """Return a model with the layers of each step in the place of recurrent layers.

    Parameters
    ----------
    file : ModelFile
    format_name : str
        For the error.
    chosen : callable
        Which layers are written out; all of them unless it is given.

    Returns
    -------
    ModelFile
        The same one where nothing is written out.

    Raises
    ------
    ExchangeError
        If a sequence has more than `MOST_STEPS` steps.
    """
    nodes = file.network.nodes
    wanted = [n for n in nodes if isinstance(n.layer, Recurrent) and chosen(n.layer)]
    if not wanted:
        return file
    return _Unroller(file, format_name, {node.name for node in wanted}).run()


class _Unroller:
    """Collects the nodes and weights of a network, steps in the place of layers."""

    def __init__(self, file: ModelFile, format_name: str, wanted: set[str]) -> None:
        self.file, self.format_name, self.wanted = file, format_name, wanted
        self.nodes: list[Node] = []
        self.weights = dict(file.weights)
        self._taken = {node.name for node in file.network.nodes}
        self._owners: dict[tuple[str, int], str] = {}
        self._arrays: dict[str, dict[str, Array]] = {}
        self._node: Any = None

    def run(self) -> ModelFile:
        network = self.file.network
        for node in network.nodes:
            if node.name not in self.wanted:
                self.nodes.append(node)
                continue
            self._node = node
            self._steps(node)
        made = Network.from_nodes(
            self.nodes,
            name=network.name,
            outputs=list(network.outputs),
            inputs=list(network.inputs),
        )
        weights = {weight.name: self.weights[weight.name] for weight in made.weights}
        return dataclasses.replace(self.file, network=made, weights=weights)

    def _steps(self, node: Node) -> None:
        layer: Any = node.layer
        length = self.file.network.input_shapes(node)[0][0]
        if length > MOST_STEPS:
            reason = f"its steps are written out, of which {length} are too many"
            raise export_error(self.format_name, layer.who, reason)
        rows, last = place_steps(
            self,
            layer,
            node.inputs[0],
            self._weights_of(node),
            length=length,
        )
        end = join_rows(self, rows, layer.units) if layer.return_sequences else last[0]
        (place,) = (i for i, made in enumerate(self.nodes) if made.name == end)
        named = dataclasses.replace(self.nodes[place], name=node.name)
        self.nodes[place] = named.with_layer(
            dataclasses.replace(named.layer, name=None)
        )

    def _weights_of(self, node: Node) -> dict[str, Array]:
        """Return the arrays by role: the same objects where layers share them."""
        if node.owner not in self._arrays:
            shapes = self.file.network.input_shapes(node)
            self._arrays[node.owner] = {
                spec.role: np.asarray(self.file.weights[f"{node.owner}.{spec.role}"])
                for spec in node.layer.weights(*shapes)
            }
        return self._arrays[node.owner]

    def _name(self, layer: Layer) -> str:
        base, count = f"{self._node.name}_{layer.stem}", 0
        name = base
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name

    def add(self, layer: Layer, *inputs: str) -> str:
        """Place a layer."""
        name = self._name(layer)
        self.nodes.append(make_node(name, layer, inputs))
        return name

    def dense(self, x: str, weight: Array, bias: Array | None) -> str:
        """Place a Dense; those of one array share it."""
        layer = pl.Dense(weight.shape[1], bias=bias is not None)
        name = self._name(layer)
        owner = self._owners.setdefault((self._node.owner, id(weight)), name)
        node = make_node(name, layer, (x,))
        if owner != name:
            node = dataclasses.replace(node, weights_of=owner)
        self.nodes.append(node)
        self.weights[f"{name}.weight"] = weight
        if bias is not None:
            self.weights[f"{name}.bias"] = bias
        return name
