"""Composites in a network that is read: the nodes that their sugar places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pellucid.errors import NetworkError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network.composites import Composer
from pellucid.network.layers import Conv2D, Layer, Shape

if TYPE_CHECKING:
    from pellucid.exchange.graph.node_builder import NodeBuilder


class BuilderComposer:
    """Places layers in a builder; values are tensors that lie as their nodes.

    Parameters
    ----------
    builder : NodeBuilder
    ref : OperatorRef
        The operator that is read.
    weights : mapping of str to array, optional
        Of the convolutions, which share them.
    """

    def __init__(
        self,
        builder: NodeBuilder,
        ref: OperatorRef,
        weights: Mapping[str, Array] | None = None,
    ) -> None:
        self._builder, self._ref, self._weights = builder, ref, weights

    def add(self, layer: Layer, *inputs: Tensor) -> Tensor:
        """Place a layer and return its output."""
        given = self._ref.part(layer.stem)
        shapes = [tensor.shape for tensor in inputs]
        axes = tuple(range(len(layer.output_shape(*shapes)) + 1))
        weights = self._weights if isinstance(layer, Conv2D) else None
        return self._builder.layer(given, layer, inputs, weights, axes=axes)

    def shape(self, value: Tensor) -> Shape:
        """Return the shape of a value, without the batch."""
        return value.shape


def compose(
    builder: NodeBuilder,
    ref: OperatorRef,
    x: Tensor,
    place: Callable[[Composer[Tensor], Tensor], Tensor],
    weights: Mapping[str, Array] | None = None,
) -> Tensor:
    """Place what a composite does behind x, whose node's axes it works on.

    Returns
    -------
    Tensor
        Laid out as its node; the last node has the operator's name.
    """
    if x.joined != (0,):
        ref.refuse("read a batch that is joined with no other axis", f"{x.joined}")
    plain = Tensor(x.node, x.shape, tuple(range(len(x.shape) + 1)))
    count = len(builder.nodes)
    try:
        made = place(BuilderComposer(builder, ref, weights), plain)
    except NetworkError as error:
        ref.refuse("be one that layers express", str(error).rstrip("."))
    if made is plain or len(builder.nodes) == count:
        return plain
    return replace(made, node=builder.rename(made.node, ref))
