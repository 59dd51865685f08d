"""Batches that a foreign file joins with other axes, or has elsewhere than in front.

Attention joins its heads with the batch, (N · heads, T, d), and windows are images of
their own, (N · windows, …). A `Tensor` says which of its node's axes the file's batch
runs over; here these are taken apart, so that layers see plain examples, and joined
again behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.tensor import BATCH, Tensor
from pellucid.network.layers import Shape


@dataclass(frozen=True, slots=True)
class Joint:
    """Where a file has its batch: the axis, and the place in what it is joined of.

    ``count`` axes are joined there, of which the batch is number ``place``; 0 where
    the file has one example, without a batch.
    """

    axis: int
    place: int
    count: int

    def undo(self, made: Tensor) -> Tensor:
        """Return a value whose batch is in front as the file has it."""
        axes = list(made.axes)
        batch = axes.pop(0)
        if not self.count:
            return replace(made, axes=tuple(axes))
        axes.insert(self.axis + self.place, batch)
        return join(replace(made, axes=tuple(axes)), self.axis, self.count)


def split_axes(x: Tensor) -> Tensor:
    """Return the value with every axis by itself; the batch may be anywhere."""
    axes: list[int | None] = []
    for axis in x.axes:
        axes += x.joined if axis == 0 else (axis,)
    return replace(x, axes=tuple(axes), joined=(0,))


def join(x: Tensor, axis: int, count: int) -> Tensor:
    """Join neighbouring axes, one of which is the batch, to one."""
    group = [a for a in x.axes[axis : axis + count] if a is not None]
    axes = (*x.axes[:axis], 0, *x.axes[axis + count :])
    return replace(x, axes=axes, joined=tuple(group))


def batch_first(x: Tensor) -> tuple[Tensor, Joint]:
    """Return the value with its batch by itself in front, and how that is undone."""
    if 0 not in x.axes:
        return replace(x, axes=(0, *x.axes)), Joint(0, 0, 0)
    axis, place = x.axes.index(0), x.joined.index(0)
    apart = split_axes(x)
    axes = list(apart.axes)
    batch = axes.pop(axis + place)
    joint = Joint(axis, place, len(x.joined))
    return replace(apart, axes=(batch, *axes)), joint


def has_batch_first(x: Tensor) -> bool:
    """Whether a value's batch is in front as the file has it, and by itself."""
    return x.axes[:1] == (0,) and x.joined == (0,)


def as_examples(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a function, of values whose batch is in front, to any value.

    The function must leave the axes but the last ones where they are.
    """
    if has_batch_first(x):
        return function(x)
    plain, joint = batch_first(x)
    return joint.undo(function(plain))


def split_shape(
    ref: OperatorRef, old: Shape, new: Shape, shown: str
) -> tuple[Shape, int, int]:
    """Take the new shape's batch apart, as the elements of the old one lie.

    Parameters
    ----------
    ref : OperatorRef
    old, new : tuple of int
        With `BATCH` in one axis of each, times other sizes in the new one.
    shown : str
        What errors say of the shapes.

    Returns
    -------
    shape : tuple of int
        The new one, `BATCH` by itself.
    axis, count : int
        Which axes are then to be joined.
    """
    places = [i for i, n in enumerate(new) if n % BATCH == 0]
    if len(places) != 1 or BATCH not in old:
        ref.refuse("keep the batch in one axis", shown)
    (axis,), at = places, old.index(BATCH)
    before, after = prod(old[:at]), prod(old[at + 1 :])
    outer, rest = divmod(before, prod(new[:axis]))
    inner, more = divmod(after, prod(new[axis + 1 :]))
    if rest or more or outer * inner * BATCH != new[axis]:
        ref.refuse("keep examples apart", shown)
    group = (
        *((outer,) if outer > 1 else ()),
        BATCH,
        *((inner,) if inner > 1 else ()),
    )
    return (*new[:axis], *group, *new[axis + 1 :]), axis, len(group)


def find_batch(old: Shape, new: Shape, batch: int) -> Shape:
    """Write `BATCH` into a shape of a file of one batch size; as it is if none fits.

    Where several axes could hold the batch, one that holds nothing else does, or the
    first in which it is the slowest; the last axis, of features, only if no other can.
    """
    at = old.index(BATCH)
    before, after = prod(old[:at]), prod(old[at + 1 :])
    found: list[tuple[bool, bool, bool, int]] = []
    for i, n in enumerate(new):
        if n % batch:
            continue
        outer, rest = divmod(before, prod(new[:i]))
        inner, more = divmod(after, prod(new[i + 1 :]))
        if not rest and not more and outer * inner * batch == n:
            is_last = i == len(new) - 1
            found.append((n != batch, is_last, outer != 1, i))
    if not found:
        return new
    axis = min(found)[-1]
    return (*new[:axis], new[axis] // batch * BATCH, *new[axis + 1 :])
