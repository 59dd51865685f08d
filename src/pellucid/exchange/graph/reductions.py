"""Reductions over any axes of a foreign file but its batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.tensor import Tensor
from pellucid.network import layers as pl
from pellucid.network.composites import (
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceSum,
    Reduction,
)

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder

Kind = Callable[..., Reduction]
#: what one element comes through as it is
_NEUTRAL = (ReduceMax, ReduceMean, ReduceMin, ReduceSum)


def reduce(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    kind: Kind,
    axes: Sequence[int],
    *,
    keepdims: bool,
    **fields: Any,
) -> Tensor:
    """Reduce foreign axes, and keep the others where they lie.

    Parameters
    ----------
    builder : NetworkBuilder
    ref : OperatorRef
    x : Tensor
    kind : class
        Of reduction.
    axes : sequence of int
        The file's.
    keepdims : bool
    **fields
        Of the reduction besides.
    """
    x = relayout.in_order(builder, ref, x)
    relayout.one_example(ref, x)
    rank = len(x.axes)
    if not all(-rank <= axis < rank for axis in axes) or not axes:
        ref.refuse(f"reduce some of {rank} axes", f"axes={list(axes)}")
    reduced = {axis % rank for axis in axes}
    own = {x.axes[j] for j in reduced}
    if 0 in own:
        _take_one(builder, ref, x, reduced, keepdims)
        one = _to_one(builder, ref, x, kind(tuple(range(len(x.shape))), True, **fields))
        return replace(one, axes=())
    inner = tuple(sorted(axis - 1 for axis in own if axis))
    if not keepdims and len(inner) == len(x.shape):
        one = _to_one(builder, ref, x, kind(inner, True, **fields))
        return one if 0 in x.axes else replace(one, axes=())
    if inner:
        y = compose(builder, ref, x, kind(inner, keepdims, **fields).compose)
    elif kind in _NEUTRAL:  # of one element
        y = x
    else:
        ref.refuse("reduce axes of several elements", f"axes={list(axes)}")
    if keepdims:
        return Tensor(y.node, y.shape, x.axes)
    left = [axis for j, axis in enumerate(x.axes) if j not in reduced]
    gone = [axis + 1 for axis in inner]
    return Tensor(y.node, y.shape, _without(left, gone))


def _take_one(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor, reduced: set[int], keep: bool
) -> None:
    """Check that all of a batch is reduced, and let the batch be of one example."""
    is_whole = len(reduced) == len(x.axes) and not keep
    if not is_whole or builder.batch not in (None, 1):
        ref.refuse("keep the batch", f"axes={sorted(reduced)} of {relayout.show(x)}")
    builder.batch = 1


def _to_one(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor, kind: Reduction
) -> Tensor:
    """Reduce all of an example: to (N,) in the file, to one feature here."""
    reduced = compose(builder, ref.part("kept"), x, kind.compose)
    one = pl.Reshape(1)
    return replace(builder.layer(ref, one, [reduced], axes=(0, 1)), axes=(0,))


def _without(axes: Sequence[int | None], gone: Sequence[int]) -> tuple[int | None, ...]:
    """Return axes as they count once some of the node's are dropped."""
    return tuple(
        None if axis is None else axis - sum(g < axis for g in gone) for axis in axes
    )
