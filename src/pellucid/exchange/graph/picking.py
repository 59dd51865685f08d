"""Elements of an axis by their numbers, and values joined with constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.tensor import BATCH, Array, Tensor

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder

LIMIT = 256  # slices of one operator


def select(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor, axis: int, index: int
) -> Tensor:
    """Take one element of an axis, and drop the axis."""
    (kept,) = _ranges(ref, x, axis, [index])
    return builder.squeeze(ref, relayout.take(builder, ref, x, [kept]), [axis])


def pick(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    axis: int,
    indices: Sequence[int],
) -> Tensor:
    """Take elements of an axis in an order: ranges, joined."""
    parts = [
        relayout.take(builder, ref.part("part"), x, [given])
        for given in _ranges(ref, x, axis, indices)
    ]
    return builder.concat(ref, parts, axis)


def _ranges(
    ref: OperatorRef, x: Tensor, axis: int, indices: Sequence[int]
) -> list[relayout.Range]:
    """Return the fewest ranges of equal steps that have these elements."""
    n = x.foreign_shape[axis]
    given = [i + n if i < 0 else i for i in indices]
    if not given or not all(0 <= i < n for i in given):
        ref.refuse(f"take some of {n} elements", f"{list(indices)[:8]}")
    found: list[relayout.Range] = []
    while given:
        step = given[1] - given[0] if len(given) > 1 and given[1] != given[0] else 1
        count = 1
        while count < len(given) and given[count] == given[0] + count * step:
            count += 1
        stop = given[0] + count * step
        found.append((axis, given[0], stop if stop >= 0 else None, step))
        given = given[count:]
    if len(found) > LIMIT:
        ref.refuse(f"take at most {LIMIT} ranges of an axis", f"{len(found)}")
    return found


def join(
    builder: NetworkBuilder, ref: OperatorRef, values: Sequence[Any], axis: int
) -> Tensor:
    """Join values and constants along an axis.

    Constants have one example, whose numbers are those of all.
    """
    values = [v for v in values if not (isinstance(v, np.ndarray) and v.size == 0)]
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) == len(values):
        return builder.concat(ref, tensors, axis)
    if not tensors or not all(isinstance(v, Tensor | np.ndarray) for v in values):
        ref.refuse("join the network's values", "constants alone")
    model = relayout.in_order(builder, ref, tensors[0])
    if None in model.axes:
        model = relayout.as_foreign(builder, ref.part("layout"), model)
    relayout.one_example(ref, model)
    every = iter([model, *tensors[1:]])
    return builder.concat(
        ref,
        [
            as_value(builder, ref, value, model)
            if isinstance(value, np.ndarray)
            else next(every)
            for value in values
        ],
        axis,
    )


def as_value(
    builder: NetworkBuilder, ref: OperatorRef, array: Array, model: Tensor
) -> Tensor:
    """Return a constant of one example as a value that lies as another one."""
    at = model.axes.index(0)
    if array.ndim == len(model.axes) and array.shape[at] == builder.batch:
        first = array.swapaxes(0, at)[:1].swapaxes(0, at)
        array = first if (array == first).all() else array
    if array.ndim != len(model.axes) or array.shape[at] not in (1, BATCH):
        ref.refuse("join constants of one example", f"shape={array.shape}")
    own = [axis or 0 for axis in model.axes]
    placed = array.transpose(np.argsort(own))[0].astype(np.float32, copy=False)
    made = builder.parameter(ref.part("constant"), model.node, placed)
    return replace(made, axes=model.axes)
