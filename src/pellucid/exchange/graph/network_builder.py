"""Build a network from a foreign graph: one method for each kind of layer.

Readers translate operators into these calls. Values are `Tensor`s, which remember
how the foreign file lays out what a node of ours holds; weights come canonical.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from pellucid.errors import ExchangeError, NetworkError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import constants, relayout
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.joined_batch import (
    as_examples,
    batch_first,
    find_batch,
    has_batch_first,
    split_axes,
)
from pellucid.exchange.graph.shared_weights import ReorderedRows, share_weights
from pellucid.exchange.graph.tensor import (
    BATCH,
    FIRST,
    LAST,
    Array,
    Tensor,
)
from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.network.checks import Pair
from pellucid.network.composites import DilatedMaxPool1D, DilatedMaxPool2D
from pellucid.network.expression import math
from pellucid.network.layers import Input, Layer, Shape
from pellucid.network.node import place as make_node
from pellucid.network.window import Pads

_WITH_BIAS = (pl.Dense, pl.Conv2D, pl.ConvTranspose2D)
VALUE_LIMIT = 2**26  # elements that one value of one example may have


class NetworkBuilder:
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
        self._reordered = ReorderedRows()
        self._latest: Tensor | None = None
        self._input_axes: tuple[int | None, ...] = image_axes

    # -- nodes -------------------------------------------------------------------

    def input(self, shape: Shape, axes: tuple[int, ...], *, name: str = "") -> Tensor:
        """Begin with an Input of that shape (ours)."""
        if len(axes) == 4 or not self.nodes:  # of several inputs an image decides
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

    def outermost(self, output: Any) -> Any:
        """Return the output held by a node that lies as in the file.

        Images are (N, H, W, C) here and may be (N, C, H, W) in the file, if its input
        is so as well: those stay as they are.
        """
        if not isinstance(output, Tensor):
            return output
        own = (BATCH, *output.shape)
        axes = [axis for axis in output.axes if axis is not None and own[axis] > 1]
        is_reshaped = isinstance(self.nodes[output.node].layer, pl.Reshape)
        layouts = [sorted(axes)]
        is_plain = len(output.shape) == 3 and output.axes == LAST
        if is_plain and is_reshaped and self._input_axes == FIRST:
            # it ends in an image, as it begins
            return relayout.with_axes(self, OperatorRef("output"), output, FIRST)
        if len(output.shape) == 3:
            is_image = len(self._input_axes) == 4
            images = self._input_axes if is_image else self.image_axes
            layouts.append([n for n in images if n is not None and own[n] > 1])
        if len(output.shape) == 2 and self._input_axes == (0, 2, 1):
            # a sequence, as it begins
            layouts.append([n for n in (0, 2, 1) if own[n] > 1])
        if output.order is None and axes in layouts:
            return output
        if 0 not in output.axes or output.joined != (0,):
            return output  # refused by `finish`
        if output.axes[0] != 0:  # ours has the batch in front
            at, ref = output.axes.index(0), OperatorRef("output")
            order = [at, *(i for i in range(len(output.axes)) if i != at)]
            first = self.outermost(self.transpose(ref, output, order))
            back = [order.index(i) for i in range(len(order))]
            return self.transpose(ref, first, back)
        return relayout.as_foreign(self, OperatorRef("output"), output)

    # -- what a tensor must be -----------------------------------------------------

    def image(self, ref: OperatorRef, x: Tensor) -> Tensor:
        """Return x, an image, held by a node of (height, width, channels)."""
        relayout.one_example(ref, x)
        if x.axes != self.image_axes:
            if len(x.axes) != 4 or x.axes[0] != 0:
                ref.refuse(
                    "read a batch of images",
                    f"shape={relayout.show(x)} laid out as {x.axes}",
                )
            return relayout.with_axes(self, ref.part("image"), x, self.image_axes)
        return x

    def channels(self, ref: OperatorRef, x: Tensor, axis: int) -> None:
        """Check that a foreign axis is the one that we have last."""
        if not -len(x.axes) <= axis < len(x.axes) or x.axis(axis) != len(x.shape):
            ref.refuse("work along the channels", f"axis={axis} of {relayout.show(x)}")

    # -- layers ------------------------------------------------------------------

    def conv(
        self,
        ref: OperatorRef,
        x: Tensor,
        weight: Array,
        bias: Array | None,
        *,
        transposed: bool = False,
        **sizes: Any,
    ) -> Tensor:
        """Add a Conv2D or ConvTranspose2D; weight (kh, kw, in / groups, out)."""
        if not transposed and self.is_row(x) and weight.shape[0] == 1:
            layer_1d = pl.Conv1D(
                weight.shape[3],
                weight.shape[1],
                bias=bias is not None,
                **_along_row(sizes),
            )
            flat = {"weight": weight[0]} if bias is None else _pair(weight[0], bias)
            return self.layer(ref, layer_1d, [x], flat)
        kind = pl.ConvTranspose2D if transposed else pl.Conv2D
        image = self.image(ref, x)
        inputs = weight.shape[2] * sizes.get("groups", 1)
        if inputs != image.shape[2]:
            ref.refuse(f"read {inputs} channels", f"{image.shape[2]}")
        layer = kind(
            weight.shape[3],
            kernel_size=weight.shape[:2],
            bias=bias is not None,
            **sizes,
        )
        weights = {"weight": weight} if bias is None else _pair(weight, bias)
        return self.layer(ref, layer, [image], weights)

    def pool(
        self,
        ref: OperatorRef,
        x: Tensor,
        kind: Any,
        *,
        ceil: bool = False,
        dilation: Pair = (1, 1),
        **sizes: Any,
    ) -> Tensor:
        """Add a pool; ``ceil`` lets the last window stand over the edge."""
        if dilation != (1, 1):
            return self._dilated(ref, x, ceil=ceil, dilation=dilation, **sizes)
        if not ceil and self.is_row(x) and sizes["kernel_size"][0] == 1:
            flat = {pl.MaxPool2D: pl.MaxPool1D, pl.AvgPool2D: pl.AvgPool1D}[kind]
            return self.layer(ref, flat(**_along_row(sizes)), [x])
        image = self.image(ref, x)
        if ceil:
            sizes["padding"] = _with_last_window(image.shape, **sizes)
        return self.layer(ref, kind(**sizes), [image])

    def _dilated(
        self, ref: OperatorRef, x: Tensor, *, ceil: bool, dilation: Pair, **sizes: Any
    ) -> Tensor:
        """Add a max-pool whose windows have gaps."""
        image = self.image(ref, x)
        if ceil:
            reach = zip(sizes["kernel_size"], dilation, strict=True)
            extent = {**sizes, "kernel_size": [(k - 1) * d + 1 for k, d in reach]}
            sizes["padding"] = _with_last_window(image.shape, **extent)
        made = DilatedMaxPool2D(dilation=dilation, **sizes)
        return replace(compose(self, ref, image, made.compose), axes=image.axes)

    def is_row(self, x: Tensor) -> bool:
        """Whether x is a sequence that the file has as an image of height 1."""
        row = tuple({0: 0, 1: None, 2: 1, 3: 2}[axis] for axis in self.image_axes)
        return len(x.shape) == 2 and x.axes == row

    def sequence(self, ref: OperatorRef, x: Tensor) -> Tensor:
        """Return x, a sequence, held by a node of (length, channels)."""
        axes = (0, 1, 2) if self.image_axes[-1] == 3 else (0, 2, 1)
        relayout.one_example(ref, x)
        if x.axes == axes:
            return x
        if len(x.axes) != 3 or x.axes[0] != 0:
            ref.refuse(
                "read a batch of sequences", f"{relayout.show(x)} laid out as {x.axes}"
            )
        return relayout.with_axes(self, ref.part("sequence"), x, axes)

    def conv1d(
        self,
        ref: OperatorRef,
        x: Tensor,
        weight: Array,
        bias: Array | None,
        **sizes: Any,
    ) -> Tensor:
        """Add a Conv1D; weight (k, in / groups, out)."""
        row = self.sequence(ref, x)
        inputs = weight.shape[1] * sizes.get("groups", 1)
        if inputs != row.shape[1]:
            ref.refuse(f"read {inputs} channels", f"{row.shape[1]}")
        layer = pl.Conv1D(
            weight.shape[2], weight.shape[0], bias=bias is not None, **sizes
        )
        weights = {"weight": weight} if bias is None else _pair(weight, bias)
        return self.layer(ref, layer, [row], weights)

    def average_with_zeros(
        self, ref: OperatorRef, x: Tensor, *, ceil: bool, padding: Pads, **sizes: Any
    ) -> Tensor:
        """Add an average pool in which the zeros around the image count."""
        image = self.image(ref, x)
        around = padding
        if ceil:
            around = _with_last_window(image.shape, padding=padding, **sizes)
        padded = self.pad(ref.part("pad"), image, padding)
        pairs = zip(around, padding, strict=True)
        (bottom, right) = (whole[1] - zeros[1] for whole, zeros in pairs)
        rest: Pads = ((0, bottom), (0, right))  # which does not count
        return self.layer(ref, pl.AvgPool2D(padding=rest, **sizes), [padded])

    def pool1d(
        self,
        ref: OperatorRef,
        x: Tensor,
        kind: Any,
        window: tuple[int, int, Pair],
        *,
        ceil: bool = False,
        counts_zeros: bool = False,
        dilation: int = 1,
    ) -> Tensor:
        """Add a pool of sequences: of (size, stride, elements around)."""
        row = self.sequence(ref, x)
        size, stride, sides = window
        extent = dilation * (size - 1) + 1
        around = sides
        if ceil:
            around = _last_window(row.shape[0], extent, stride, sides)
        if kind is pl.AvgPool1D and counts_zeros and any(sides):
            both = ((0, 0), sides) if row.axes[1] == 2 else (sides, (0, 0))
            row = relayout.pad(self, ref.part("pad"), row, ((0, 0), *both))
            around = (0, around[1] - sides[1])
        if dilation == 1:
            return self.layer(ref, kind(size, stride, around), [row])
        if kind is not pl.MaxPool1D:
            ref.refuse("have dilation 1", f"{dilation}")
        made = DilatedMaxPool1D(size, stride, around, dilation)
        return replace(compose(self, ref, row, made.compose), axes=row.axes)

    def global_average_1d(self, ref: OperatorRef, x: Tensor) -> Tensor:
        """Average each channel of a sequence: to (N, C)."""
        row = self.sequence(ref, x)
        return self.layer(ref, pl.GlobalAvgPool1D(), [row], axes=(0, 1))

    def global_average(self, ref: OperatorRef, x: Tensor, *, as_image: bool) -> Tensor:
        """Average each channel: to (C,), or to an image of one pixel."""
        x = self.image(ref, x)
        height, width = x.shape[:2]
        if as_image:
            return self.layer(ref, pl.AvgPool2D((height, width)), [x])
        axes = tuple({0: 0, 3: 1}.get(axis) for axis in self.image_axes)
        return self.layer(ref, pl.GlobalAvgPool2D(), [x], axes=axes)

    def global_mean(self, ref: OperatorRef, x: Tensor) -> Tensor:
        """Average each channel: to (N, C) in the file as well."""
        if self.is_row(x):
            return self.layer(ref, pl.GlobalAvgPool1D(), [x], axes=(0, 1))
        return self.vector(self.global_average(ref, x, as_image=False))

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
        weights = {"weight": weight} if bias is None else _pair(weight, bias)
        return self.layer(ref, layer, [x], weights, axes=x.axes)

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
        """Return an array of the file as a value of a node's examples."""
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

    def fold_crop(self, x: Tensor, sides: Pads) -> Tensor | None:
        """Crop the transposed convolution that has just made x; None if none has.

        The caller knows that nothing else reads x.
        """
        node = self.nodes[x.node]
        if x is not self._latest or not isinstance(node.layer, pl.ConvTranspose2D):
            return None
        (top, bottom), (left, right) = sides
        (above, below), (before, after) = node.layer.pads((1, 1))
        below, after = below + bottom, after + right
        layer = replace(
            node.layer,
            padding=((above + top, max(below, 0)), (before + left, max(after, 0))),
            output_padding=(max(-below, 0), max(-after, 0)),
        )
        self.nodes[x.node] = node.with_layer(layer)
        height, width, channels = x.shape
        shape = (height - top - bottom, width - left - right, channels)
        self._latest = replace(x, shape=shape)
        return self._latest

    def vector(self, x: Tensor) -> Tensor:
        """Drop axes of length 1 that the node does not have."""
        return replace(x, axes=tuple(axis for axis in x.axes if axis is not None))

    def flatten(self, ref: OperatorRef, x: Tensor) -> Tensor:
        """Flatten all axes but the batch."""
        relayout.one_example(ref, x)
        if x.axes[0] != 0:
            ref.refuse("keep the batch as its first axis", f"axes {x.axes}")
        if len(x.shape) == 1:
            return self.vector(x)
        flat = self.layer(ref, pl.Flatten(), [x], axes=(0, 1))
        own = tuple(axis - 1 for axis in x.axes if axis)
        return replace(flat, order=x.flat_order(), image=(x.shape, own))

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

    def global_max(self, ref: OperatorRef, x: Tensor, *, as_image: bool) -> Tensor:
        """Keep the largest of each channel: to (C,), or to an image of one pixel."""
        x = self.image(ref, x)
        height, width = x.shape[:2]
        if as_image:
            return self.layer(ref, pl.MaxPool2D((height, width)), [x])
        axes = tuple({0: 0, 3: 1}.get(axis) for axis in self.image_axes)
        return self.layer(ref, pl.GlobalMaxPool2D(), [x], axes=axes)

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
        zeros it is x.
        """
        scale, offset = (
            None if given is None else constants.without_batch(x, given)
            for given in (scale, offset)
        )
        if not all(constants.is_per_channel(x, c) for c in (scale, offset)):
            return constants.affine(self, ref, x, scale=scale, offset=offset)
        given = scale if scale is not None else offset
        dtype = np.float32 if given is None else given.dtype
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

    def per_channel(self, ref: OperatorRef, x: Tensor, constant: Array) -> Array:
        """Return a constant that is broadcast along the channels as (C,)."""
        rank = len(x.axes)
        shape = (1,) * (rank - constant.ndim) + constant.shape
        allowed = [
            n == 1 or (axis == len(x.shape) and n == x.shape[-1])
            for n, axis in zip(shape, x.axes, strict=False)
        ]
        if len(shape) != rank or not all(allowed):
            ref.refuse(
                "have a constant that is one number, or one per channel",
                f"shape={constant.shape} beside {relayout.show(x)}",
            )
        return np.broadcast_to(constant.reshape(-1), x.shape[-1:]).copy()

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

    def pad(self, ref: OperatorRef, x: Tensor, pads: Pads) -> Tensor:
        """Pad an image with zeros; where pads are negative, crop."""
        if pads == ((0, 0), (0, 0)):
            return x
        image = self.image(ref, x)
        own = {1: pads[0], 2: pads[1]}
        sides = [own.get(axis or 0, (0, 0)) for axis in image.axes]
        return relayout.pad(self, ref, image, sides)

    # -- views -------------------------------------------------------------------

    def transpose(
        self, ref: OperatorRef, x: Tensor, permutation: Sequence[int]
    ) -> Tensor:
        """Reorder the foreign axes; the node stays as it is."""
        if sorted(permutation) != list(range(len(x.axes))):
            ref.refuse("permute all axes", f"perm={tuple(permutation)}")
        return replace(x, axes=tuple(x.axes[axis] for axis in permutation))

    def squeeze(
        self, ref: OperatorRef, x: Tensor, axes: Sequence[int] | None
    ) -> Tensor:
        """Drop foreign axes of length 1; None drops them all."""
        shape = x.foreign_shape
        if axes is None:
            dropped = {i for i, n in enumerate(shape) if n == 1}
        else:
            dropped = {axis % len(shape) for axis in axes}
        kept = [n for i, n in enumerate(shape) if i not in dropped]
        return self.reshape(ref, x, kept)

    def expand_dims(self, ref: OperatorRef, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Insert axes of length 1, which stand at ``axes`` of the result."""
        shape = list(x.foreign_shape)
        rank = len(shape) + len(axes)
        for axis in sorted(axis % rank for axis in axes):
            shape.insert(axis, 1)
        return self.reshape(ref, x, shape)

    def _with_batch(self, old: Shape, shape: list[int]) -> list[int]:
        """Write `BATCH` where a file of one batch size has that size."""
        has_batch = any(n and n % BATCH == 0 for n in shape)
        if self.batch is None or has_batch or BATCH not in old:
            return shape
        if shape[:1] == [self.batch] and old[0] == BATCH:
            return [BATCH, *shape[1:]]
        new = [old[i] if n == 0 and i < len(old) else n for i, n in enumerate(shape)]
        rest = prod(n for n in new if n != -1)
        count = prod(old) // BATCH * self.batch
        if BATCH in new or not rest or count % rest:
            return shape
        return list(
            find_batch(
                old, tuple(count // rest if n == -1 else n for n in new), self.batch
            )
        )

    def reshape(self, ref: OperatorRef, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Add or drop axes of length 1, or flatten; ``shape`` has `BATCH` for N."""
        old = x.foreign_shape
        apart = split_axes(x).foreign_shape
        new = _resolved(ref, old, self._with_batch(apart, [int(n) for n in shape]))
        if new == old:
            return x
        if x.joined != (0,) or {old[:1], new[:1]} != {(BATCH,)}:
            return relayout.reshape(self, ref, x, new)
        if _essence(new) == _essence(self.vector(x).foreign_shape):
            axes = _matched(self.vector(x), new)
            if axes is not None:
                return replace(x, axes=axes)
        if new[0] == BATCH and _essence(new) == _essence((BATCH, prod(x.shape))):
            flat = self.flatten(ref, x)
            return replace(flat, axes=tuple(_flat_axes(new)))
        return relayout.reshape(self, ref, x, new)


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


def _check_batch_axis(output: Tensor) -> None:
    if 0 not in output.axes or output.joined != (0,):
        raise ExchangeError(
            "import: the output must have the batch as one of its axes; "
            f"got axes {output.axes} of node '{output.node}'."
        )


def _along_row(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a window's sizes along the width alone."""
    return {
        name: value if isinstance(value, int | str) else value[1]
        for name, value in sizes.items()
    }


def _pair(weight: Array, bias: Array) -> dict[str, Array]:
    return {"weight": weight, "bias": bias.reshape(-1)}


def _essence(shape: Sequence[int]) -> Shape:
    return tuple(n for n in shape if n != 1)


def _flat_axes(shape: Shape) -> list[int | None]:
    """Return the axes of a flattened tensor that has axes of length 1 besides."""
    rows = max(range(1, len(shape)), key=lambda axis: shape[axis])
    return [0 if i == 0 else 1 if i == rows else None for i in range(len(shape))]


def _matched(x: Tensor, new: Shape) -> tuple[int | None, ...] | None:
    """Return axes for a shape that differs in axes of length 1 only.

    None where an axis of the node's own would be lost: that takes a Flatten.
    """
    own = (BATCH, *x.shape)
    left = [axis for axis in x.axes if axis is not None]
    ones = [axis for axis in left if own[axis] == 1]
    longer = [axis for axis in left if own[axis] != 1]
    axes: list[int | None] = []
    for n in new:
        if n != 1:
            if not longer or own[longer[0]] != n:
                return None
            axes.append(longer.pop(0))
        else:
            axes.append(ones.pop(0) if ones else None)
    if len(x.shape) == 1 and 1 not in left and new[-1:] == (1,):
        axes[-1] = 1  # the one feature that stood for a whole example
    return None if ones or longer else tuple(axes)


def _resolved(ref: OperatorRef, old: Shape, new: list[int]) -> Shape:
    """Replace 0 (as before) and −1 (what is left) in a shape."""
    for i, n in enumerate(new):
        if n == 0:
            if i >= len(old):
                ref.refuse("keep an axis that is there", f"shape={new}")
            new[i] = old[i]
    if new.count(-1) == 1:
        rest = prod(n for n in new if n != -1)
        if rest > 0 and prod(old) % rest == 0:
            new[new.index(-1)] = prod(old) // rest
    if prod(new) != prod(old) or min(new, default=0) < 1:
        ref.refuse("keep all numbers", f"{old} to {tuple(new)}")
    return tuple(new)


def _with_last_window(
    shape: Shape, *, kernel_size: Any, stride: Any, padding: Pads
) -> Pads:
    """Return pads that make the output ceil((n + pads − k) / s) + 1.

    A window that would begin in the padding behind the image is left out.
    """
    rows = zip(shape[:2], kernel_size, stride, padding, strict=True)
    top_bottom, left_right = (_last_window(*row) for row in rows)
    return top_bottom, left_right


def _last_window(n: int, k: int, s: int, sides: Pair) -> Pair:
    before, after = sides
    count = -(-(n + before + after - k) // s) + 1
    if (count - 1) * s >= n + before:
        count -= 1
    missing = (count - 1) * s + k - (n + before + after)
    return before, after + max(missing, 0)
