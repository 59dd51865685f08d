"""Build a network node by node: names, shapes and weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.learned import LearnedArrays
from pellucid.exchange.graph.shared_weights import ReorderedRows, share_weights
from pellucid.exchange.graph.tensor import (
    Array,
    Tensor,
)
from pellucid.network import Network, Node
from pellucid.network.layers import Input, Layer, Shape
from pellucid.network.node import place as make_node

VALUE_LIMIT = 2**26  # elements that one value of one example may have


class NodeBuilder:
    """Collects nodes and weights.

    Parameters
    ----------
    image_axes : tuple of int
        How the foreign file lays out images: `FIRST` or `LAST`.
    """

    def __init__(self, image_axes: tuple[int, ...]) -> None:
        self.image_axes = image_axes
        self.batch: int | None = None  # where the foreign file fixes it
        self.nodes: dict[str, Node] = {}
        self.shapes: dict[str, Shape] = {}
        self.weights: dict[str, Array] = {}
        self.learned = LearnedArrays()
        self._reordered = ReorderedRows()
        self._latest: Tensor | None = None
        self._input_axes: tuple[int | None, ...] = image_axes

    def input(self, shape: Shape, axes: tuple[int, ...], *, name: str = "") -> Tensor:
        """Begin with an Input of that shape (ours)."""
        is_batch = axes[:1] == (0,)  # of several inputs an image decides
        if is_batch and (len(axes) == 4 or not self.nodes):
            self._input_axes = axes
        return self.layer(OperatorRef("input", name), Input(*shape), (), axes=axes)

    def layer(
        self,
        ref: OperatorRef,
        layer: Layer,
        inputs: Sequence[Tensor],
        weights: Mapping[str, Array] | None = None,
        *,
        axes: tuple[int | None, ...] | None = None,
        joined: tuple[int, ...] = (),
    ) -> Tensor:
        """Add a node; layout and order are the first input's unless axes are given.

        A batch that is joined with other axes stays so; with new axes, ``joined`` must
        say of what.
        """
        if axes is not None and not joined:
            for tensor in inputs:
                relayout.one_example(ref, tensor)
        name = self._name(ref.name, layer.stem)
        node = make_node(name, layer, tuple(tensor.node for tensor in inputs))
        shape = node.layer.output_shape(*(tensor.shape for tensor in inputs))
        if prod(shape) > VALUE_LIMIT:
            ref.refuse(f"have an output of at most {VALUE_LIMIT} numbers", f"{shape}")
        self.nodes[name] = node
        self.shapes[name] = shape
        for role, array in (weights or {}).items():
            self.weights[f"{name}.{role}"] = np.asarray(array)
        self._latest = (
            replace(inputs[0], node=name, shape=shape)
            if axes is None
            else Tensor(name, shape, axes, joined=joined or (0,))
        )
        return self._latest

    def _name(self, wanted: str, stem: str) -> str:
        """Return a free name near the foreign one; by the layer's kind without one."""
        letters = re.sub(r"[^A-Za-z0-9]+", "_", wanted).strip("_")
        base = letters if re.match(r"[A-Za-z]", letters) else stem
        name, count = base, 0
        while name in self.nodes:
            count += 1
            name = f"{base}_{count}"
        return name

    def rename(self, name: str, ref: OperatorRef) -> str:
        """Name the latest node, without weights, as the operator; return the name."""
        node = self.nodes.pop(name)
        named = self._name(ref.name, node.layer.stem)
        self.nodes[named] = make_node(named, node.layer, node.inputs)
        self.shapes[named] = self.shapes[name]
        if self._latest is not None and self._latest.node == name:
            self._latest = None
        return named

    def finish(
        self,
        output: Tensor | Sequence[Tensor],
        *,
        name: str,
        inputs: Sequence[Tensor] = (),
    ) -> tuple[Network, dict[str, Array]]:
        """Return the network that ends in ``output``, and its weights.

        ``inputs`` is the order of the inputs where there are several.
        """
        outputs = [output] if isinstance(output, Tensor) else list(output)
        for tensor in outputs:
            if 0 in tensor.axes or self.batch != 1:
                _check_batch_axis(tensor)
        wanted, stack = set[str](), [tensor.node for tensor in outputs]
        while stack:
            node = stack.pop()
            if node not in wanted:
                wanted.add(node)
                stack.extend(self.nodes[node].inputs)
        nodes = [node for key, node in self.nodes.items() if key in wanted]
        network = Network.from_nodes(
            share_weights(nodes, self.weights),
            name=name,
            outputs=[tensor.node for tensor in outputs],
            inputs=[t.node for t in inputs if t.node in wanted] or None,
        )
        names = [weight.name for weight in network.weights]
        return network, {key: self.weights[key] for key in names}


def _check_batch_axis(output: Tensor) -> None:
    if 0 not in output.axes or output.joined != (0,):
        raise ExchangeError(
            "import: the output must have the batch as one of its axes; "
            f"got axes {output.axes} of node '{output.node}'."
        )


def weight_and_bias(weight: Array, bias: Array | None) -> dict[str, Array]:
    """Return a layer's weights by role; of no bias the weight alone."""
    if bias is None:
        return {"weight": weight}
    return {"weight": weight, "bias": bias.reshape(-1)}
