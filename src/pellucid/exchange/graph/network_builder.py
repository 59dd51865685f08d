"""Build a network from a foreign graph: one method for each kind of layer.

Readers translate operators into these calls. Values are `Tensor`s, which remember
how the foreign file lays out what a node of ours holds; weights come canonical.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from pellucid.errors import NetworkError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import constants, relayout
from pellucid.exchange.graph.joined_batch import (
    batch_first,
    has_batch_first,
)
from pellucid.exchange.graph.product_builder import ProductBuilder
from pellucid.exchange.graph.tensor import (
    Array,
    Tensor,
)
from pellucid.network import layers as pl
from pellucid.network.expression import math
from pellucid.network.layers import Layer


class NetworkBuilder(ProductBuilder):
    """Adds elementwise layers and normalizations to what its bases add."""

    def elementwise(self, ref: OperatorRef, x: Tensor, layer: Layer) -> Tensor:
        """Add an elementwise layer."""
        return self.layer(ref, layer, [x])

    def prelu(self, ref: OperatorRef, x: Tensor, slopes: Array) -> Tensor:
        """Add a PReLU, shared where there is one slope."""
        if slopes.size == 1:
            weights = {"slope": slopes.reshape(1)}
            return self.layer(ref, pl.PReLU(shared=True), [x], weights)
        weights = {"slope": self.per_channel(ref, x, slopes)}
        return self.normalization(ref, x, pl.PReLU(), weights)

    def group_normalization(
        self, ref: OperatorRef, x: Tensor, layer: Layer, weights: Mapping[str, Array]
    ) -> Tensor:
        """Add a GroupNorm or InstanceNorm whose channels are the foreign axis 1."""
        self.channels(ref, x, 1)
        relayout.one_example(ref, x)
        if x.order is not None:
            ref.refuse("read an image that was not flattened", relayout.show(x))
        try:
            layer.output_shape(x.shape)
        except NetworkError as error:
            ref.refuse("have groups of equally many channels", str(error)[:-1])
        return self.normalization(ref, x, layer, weights)

    def l2_normalize(
        self, ref: OperatorRef, x: Tensor, *, axis: int, epsilon: float
    ) -> Tensor:
        """Add an L2Normalize; ``axis`` is the foreign one of the channels."""
        self.channels(ref, x, axis)
        return self.elementwise(ref, x, pl.L2Normalize(epsilon))

    def clip(
        self,
        ref: OperatorRef,
        x: Tensor,
        minimum: float | None,
        maximum: float | None,
    ) -> Tensor:
        """Add a Clip, which from 0 on is a ReLU and up to 6 a ReLU6.

        Limits that are infinite are none.
        """
        minimum = None if minimum == -np.inf else minimum
        maximum = None if maximum == np.inf else maximum
        layer: Layer
        if (minimum, maximum) == (0, None):
            layer = pl.ReLU()
        elif (minimum, maximum) == (0, 6):
            layer = pl.ReLU6()
        elif minimum is None and maximum is None:
            return x
        else:
            try:
                layer = pl.Clip(minimum, maximum)
            except NetworkError as error:
                ref.refuse("be one that Clip expresses", str(error)[:-1])
        return self.elementwise(ref, x, layer)

    def silu(self, ref: OperatorRef, x: Tensor, y: Tensor) -> Tensor | None:
        """Add a SiLU where one factor is the sigmoid of the other; None elsewhere."""
        for value, gate in ((x, y), (y, x)):
            node = self.nodes[gate.node]
            is_gate = isinstance(node.layer, pl.Sigmoid) and node.inputs == (
                value.node,
            )
            if is_gate and value.same_layout(gate):
                return self.elementwise(ref, value, pl.SiLU())
        return None

    def log(self, ref: OperatorRef, x: Tensor) -> Tensor:
        """Take the logarithm: of a Softmax, as a LogSoftmax."""
        node = self.nodes[x.node]
        if isinstance(node.layer, pl.Softmax):
            return self.layer(ref, pl.LogSoftmax(), [replace(x, node=node.inputs[0])])
        return self.elementwise(ref, x, pl.Elementwise(math.log))

    def softmax(
        self,
        ref: OperatorRef,
        x: Tensor,
        axis: int,
        kind: type[pl.Softmax | pl.LogSoftmax] = pl.Softmax,
    ) -> Tensor:
        """Add a Softmax, or its logarithm, along any foreign axis but the batch."""
        if not -len(x.axes) <= axis < len(x.axes) or not x.axis(axis):
            ref.refuse(
                "work along an axis of the values", f"axis={axis} of {relayout.show(x)}"
            )
        own, rank = (x.axis(axis) or 0) - 1, len(x.shape)
        if own == rank - 1:
            return self.layer(ref, kind(), [x])
        order = (*(other for other in range(rank) if other != own), own)
        plain = tuple(range(rank + 1))
        given = replace(x, joined=(0,))
        last = self.layer(ref.part("last"), pl.Permute(order), [given], axes=plain)
        y = self.layer(ref, kind(), [last], axes=plain)
        back = pl.Permute(tuple(map(order.index, range(rank))))
        made = self.layer(ref.part("back"), back, [y], axes=x.axes)
        return replace(made, joined=x.joined)

    def normalization(
        self, ref: OperatorRef, x: Tensor, layer: Layer, weights: Mapping[str, Array]
    ) -> Tensor:
        """Add a BatchNorm or LayerNorm; arrays in the foreign order of channels."""
        for role, array in weights.items():
            if array.shape != x.shape[-1:]:
                ref.refuse(
                    f"have {x.shape[-1]} numbers as {role}", f"shape={array.shape}"
                )
        if x.order is not None:
            inverse = np.argsort(x.order)
            weights = {role: array[inverse] for role, array in weights.items()}
        return self.layer(ref, layer, [x], weights)

    def local_response_norm(
        self, ref: OperatorRef, x: Tensor, *, axis: int, **sizes: Any
    ) -> Tensor:
        """Add a LocalResponseNorm; ``axis`` is the foreign one of the channels."""
        self.channels(ref, x, axis)
        try:
            layer = pl.LocalResponseNorm(**sizes)
            layer.output_shape(x.shape)
        except NetworkError as error:
            ref.refuse("be one that LocalResponseNorm expresses", str(error)[:-1])
        return self.layer(ref, layer, [x])

    def affine(
        self,
        ref: OperatorRef,
        x: Tensor,
        *,
        scale: Array | None = None,
        offset: Array | None = None,
    ) -> Tensor:
        """Multiply by and add constants per channel: a frozen BatchNorm that is exact.

        With mean 0, variance 1 and epsilon 0 it is ``x · scale + offset``; by ones and
        zeros it is x. Constants that train, or differ by element, are Parameters.
        """
        scale, offset = (
            None if given is None else constants.without_batch(x, given)
            for given in (scale, offset)
        )
        given = (scale, offset)
        if any(map(self.learned.holds, given)) or not all(
            constants.is_per_channel(x, constant) for constant in given
        ):
            return constants.affine(self, ref, x, scale=scale, offset=offset)
        known = scale if scale is not None else offset
        dtype = np.float32 if known is None else known.dtype
        ones = np.ones(x.shape[-1], dtype)
        weights = {
            "scale": ones if scale is None else self.per_channel(ref, x, scale),
            "offset": ones * 0 if offset is None else self.per_channel(ref, x, offset),
            "running_mean": ones * 0,
            "running_variance": ones,
        }
        if (weights["scale"] == 1).all() and not weights["offset"].any():
            return replace(x)
        layer = pl.BatchNorm(epsilon=0.0, trainable=False)
        return self.normalization(ref, x, layer, weights)

    def add_constant(
        self, ref: OperatorRef, x: Tensor, constant: Array, *, can_fold: bool
    ) -> Tensor:
        """Add a constant per channel: as the bias of the layer before, where it fits.

        ``can_fold`` says that nothing else reads x.
        """
        constant = constants.without_batch(x, constant)
        can_fold = can_fold and constants.is_per_channel(x, constant)
        biased = self.fold_bias(ref, x, constant) if can_fold else None
        return biased or self.affine(ref, x, offset=constant)

    def add(self, ref: OperatorRef, inputs: Sequence[Tensor]) -> Tensor:
        """Add tensors of one shape, or that broadcast."""
        return self.arithmetic(ref, pl.Add(), inputs)

    def arithmetic(
        self, ref: OperatorRef, layer: Layer, inputs: Sequence[Tensor]
    ) -> Tensor:
        """Add a layer that combines its inputs element by element.

        The foreign file broadcasts by its own axes: they must be ours, counted from
        the last one.
        """
        inputs = _with_axes_of_one(inputs)
        if len(inputs) == 1:
            return inputs[0]
        widest = max(inputs, key=lambda x: (len(x.shape), prod(x.shape)))
        is_one_shape = len({x.foreign_shape for x in inputs}) == 1
        is_aligned = all(map(widest.broadcasts, inputs))
        is_apart = all(0 in x.axes for x in inputs) and not all(
            map(has_batch_first, inputs)
        )
        if is_one_shape and not is_aligned and is_apart:
            (plain, joint), *others = map(batch_first, inputs)
            if any(other != joint for _, other in others):
                ref.refuse("combine the same examples", relayout.show(widest))
            every = [plain, *(x for x, _ in others)]
            return joint.undo(self.arithmetic(ref, layer, every))
        if is_one_shape and not is_aligned:
            given = ref.part("layout")
            ordered = [relayout.in_order(self, given, x) for x in inputs]
            inputs = relayout.aligned(self, given, ordered)
            widest = inputs[0]
        for other in inputs:
            if not widest.broadcasts(other):
                shapes = " and ".join(map(relayout.show, inputs))
                ref.refuse("combine tensors of one layout", shapes)
        try:
            layer.output_shape(*(x.shape for x in inputs))
        except NetworkError as error:
            ref.refuse("have inputs of one shape, or that broadcast", str(error)[:-1])
        made = self.layer(ref, layer, inputs, axes=widest.axes, joined=widest.joined)
        return replace(made, order=widest.order, image=widest.image)

    def concat(self, ref: OperatorRef, inputs: Sequence[Tensor], axis: int) -> Tensor:
        """Concatenate tensors along any axis but the batch."""
        if len(inputs) == 1:
            return inputs[0]
        places = {x.axes.index(0) if 0 in x.axes else 0 for x in inputs}
        if len(places) == 1 and places != {0}:  # with the batch in front, and back
            (at,) = places
            order = [at, *(i for i in range(len(inputs[0].axes)) if i != at)]
            first = [self.transpose(ref, x, order) for x in inputs]
            joined = self.concat(ref, first, order.index(axis % len(order)))
            back = [order.index(i) for i in range(len(order))]
            return self.transpose(ref, joined, back)
        are_rows = all(len(x.shape) == 1 and x.axes == (0, 1) for x in inputs)
        is_shuffled = any(x.order is not None for x in inputs)
        if not are_rows or not is_shuffled or axis not in (1, -1):
            return relayout.concat(self, ref, inputs, axis)
        joined = replace(self.layer(ref, pl.Concat(), inputs), image=None)
        starts = np.cumsum([0, *(x.shape[-1] for x in inputs)])
        orders = [
            start + (np.arange(x.shape[-1]) if x.order is None else x.order)
            for start, x in zip(starts, inputs, strict=False)
        ]
        return replace(joined, order=np.concatenate(orders))


def _with_axes_of_one(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """Lay a single number of each example as the others lie, or of a batch of one."""
    widest = max(inputs, key=lambda x: (len(x.shape), len(x.axes)))
    rank = len(widest.axes)
    if rank < 2 or widest.axes[0] != 0 or len(widest.shape) not in widest.axes:
        return inputs
    at = widest.axes.index(len(widest.shape))
    axes = (0, *(1 if i == at else None for i in range(1, rank)))
    return [
        replace(x, axes=axes)
        if x.shape == (1,) and len(x.axes) in (0, rank) and x.axes[:1] in ((), (0,))
        else x
        for x in inputs
    ]
