"""Products of matrices: dense layers, MatMul and their constants."""

from __future__ import annotations

from dataclasses import replace

from pellucid.errors import NetworkError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.joined_batch import (
    as_examples,
    batch_first,
)
from pellucid.exchange.graph.node_builder import weight_and_bias
from pellucid.exchange.graph.tensor import (
    Array,
    Tensor,
)
from pellucid.exchange.graph.window_builder import WindowBuilder
from pellucid.network import layers as pl

_WITH_BIAS = (pl.Dense, pl.Conv2D, pl.ConvTranspose2D)


class ProductBuilder(WindowBuilder):
    """Adds dense layers and matrix products."""

    def dense(
        self, ref: OperatorRef, x: Tensor, weight: Array, bias: Array | None
    ) -> Tensor:
        """Add a Dense; weight (in, out), rows in the foreign order of features."""
        x = self.vector(x)
        inputs = x.foreign_shape[-1]
        if weight.ndim != 2 or weight.shape[0] != inputs:
            ref.refuse(f"have a weight for {inputs} inputs", f"{weight.shape}")
        if x.axes[-1] == 0:
            ref.refuse("work on the last axis, the channels", relayout.show(x))
        if x.axes != tuple(range(len(x.shape) + 1)) or x.joined != (0,):
            return as_examples(x, lambda one: self._dense(ref, one, weight, bias))
        return self._dense(ref, x, weight, bias)

    def _dense(
        self, ref: OperatorRef, x: Tensor, weight: Array, bias: Array | None
    ) -> Tensor:
        """Add a Dense on the last axis of a value whose batch is in front."""
        if x.axes != tuple(range(len(x.shape) + 1)):
            x = relayout.as_foreign(self, ref.part("last"), x)
        if x.order is not None:
            weight = self._reordered.rows(weight, x.order)
        layer = pl.Dense(weight.shape[1], bias=bias is not None)
        return self.layer(ref, layer, [x], weight_and_bias(weight, bias), axes=x.axes)

    def matmul(
        self, ref: OperatorRef, first: Tensor, second: Tensor, scale: float = 1.0
    ) -> Tensor:
        """Multiply two values as matrices, their last two axes."""
        sides, flags = [], []
        joints = []
        for x in (relayout.in_order(self, ref, x) for x in (first, second)):
            if len(x.axes) < 2 or 0 in x.axes[-2:]:
                ref.refuse("multiply matrices of a batch", relayout.show(x))
            plain, joint = batch_first(x)
            order = list(plain.axes)
            order[-2:] = order[-1], order[-2]
            is_turned = order == list(range(len(plain.shape) + 1))
            if not is_turned:
                plain = relayout.as_foreign(self, ref.part("layout"), plain)
            sides.append(plain)
            flags.append(is_turned)
            joints.append((len(x.axes) - joint.axis, joint))
        if (
            joints[0][0] != joints[1][0]
            or len({(joint.place, joint.count) for _, joint in joints}) != 1
        ):
            ref.refuse(
                "multiply matrices of the same examples",
                f"{relayout.show(first)} and {relayout.show(second)}",
            )
        layer = pl.MatMul(flags[0], flags[1], scale)
        try:
            shape = layer.output_shape(*(x.shape for x in sides))
        except NetworkError as error:
            ref.refuse("multiply matrices that fit", str(error)[:-1])
        axes = tuple(range(len(shape) + 1))
        widest = max(joints, key=lambda pair: pair[1].axis + pair[0])[1]
        return widest.undo(self.layer(ref, layer, sides, axes=axes))

    def parameter(
        self, ref: OperatorRef, node: str, value: Array, *, trainable: bool = False
    ) -> Tensor:
        """Return an array of the file as a value of a node's examples.

        It trains if asked for, or if it is a parameter of the file's author.
        """
        trainable = trainable or self.learned.holds(value)
        layer = pl.Parameter(value.shape, trainable=trainable)
        plain = tuple(range(value.ndim + 1))
        given = Tensor(node, (), ())  # whose elements do not matter
        return self.layer(ref, layer, [given], {"value": value}, axes=plain)

    def dense_before(self, ref: OperatorRef, x: Tensor, weight: Array) -> Tensor:
        """Multiply by a constant from the left: a Dense on the last two axes' exchange.

        ``weight`` is (in, out), the constant's transpose.
        """
        order = list(range(len(x.axes)))
        if len(order) < 3:
            ref.refuse("multiply matrices of a batch", relayout.show(x))
        order[-2:] = order[-1], order[-2]
        made = self.dense(ref, self.transpose(ref, x, order), weight, None)
        return self.transpose(ref, made, order)

    def fold_bias(self, ref: OperatorRef, x: Tensor, constant: Array) -> Tensor | None:
        """Give the layer that has just made x a bias; None where it cannot take one.

        The caller knows that nothing else reads x.
        """
        node = self.nodes[x.node]
        whole = node.layer if isinstance(node.layer, pl.Hybrid) else None
        inner = node.layer if whole is None else whole.operation
        if x is not self._latest or not isinstance(inner, _WITH_BIAS) or inner.bias:
            return None
        bias, layer = self.per_channel(ref, x, constant), replace(inner, bias=True)
        made = layer if whole is None else replace(whole, operation=layer)
        self.nodes[x.node] = node.with_layer(made)
        self.weights[f"{x.node}.bias"] = bias
        return x
