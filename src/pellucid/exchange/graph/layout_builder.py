"""Views and layouts of foreign values: transpose, reshape, images and sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.joined_batch import (
    as_examples,
    find_batch,
    split_axes,
)
from pellucid.exchange.graph.node_builder import NodeBuilder
from pellucid.exchange.graph.tensor import (
    BATCH,
    FIRST,
    LAST,
    Array,
    Tensor,
)
from pellucid.network import layers as pl
from pellucid.network.layers import Shape


class LayoutBuilder(NodeBuilder):
    """Lays values out as a layer needs them."""

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

    def channels(self, ref: OperatorRef, x: Tensor, axis: int) -> None:
        """Check that a foreign axis is the one that we have last."""
        if not -len(x.axes) <= axis < len(x.axes) or x.axis(axis) != len(x.shape):
            ref.refuse("work along the channels", f"axis={axis} of {relayout.show(x)}")

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
        if 0 not in x.axes:
            whole = (BATCH, *_resolved(ref, old, [int(n) for n in shape]))
            return as_examples(x, lambda one: self.reshape(ref, one, whole))
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

    def outermost(self, output: Any) -> Any:
        """Return the output held by a node that lies as in the file.

        Images are (N, H, W, C) here and may be (N, C, H, W) in the file, if its input
        is so as well: those stay as they are.
        """
        if not isinstance(output, Tensor):
            return output
        if 0 not in output.axes and self.batch == 1 and output.axes:
            return as_examples(output, self.outermost)
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


def _essence(shape: Sequence[int]) -> Shape:
    return tuple(n for n in shape if n != 1)


def _flat_axes(shape: Shape) -> list[int | None]:
    """Return the axes of a flattened tensor that has axes of length 1 besides.

    One number of each example may have no axis of its own.
    """
    rows = max(range(1, len(shape)), key=lambda axis: shape[axis], default=None)
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
