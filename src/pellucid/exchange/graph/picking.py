"""Elements of an axis by their numbers, and values joined with constants."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Join values and constants along an axis: constants are added to zeros.

    Constants have one example, whose numbers are those of all.
    """
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) == len(values):
        return builder.concat(ref, tensors, axis)
    if not tensors or not all(isinstance(v, Tensor | np.ndarray) for v in values):
        ref.refuse("join the network's values", "constants alone")
    rank = len(tensors[0].axes)
    axis %= rank
    before: list[Array] = []
    parts: list[Tensor] = []
    for value in values:
        if isinstance(value, np.ndarray):
            before.append(_one_example(ref, value, rank))
            continue
        parts.append(_with_constants(builder, ref, value, axis, before, []))
        before = []
    if before:
        parts[-1] = _with_constants(builder, ref, parts[-1], axis, [], before)
    return builder.concat(ref, parts, axis)


def _one_example(ref: OperatorRef, array: Array, rank: int) -> Array:
    if array.ndim != rank or array.shape[0] not in (1, BATCH):
        ref.refuse("join constants of one example", f"shape={array.shape}")
    return array[:1]


def _with_constants(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    axis: int,
    before: Sequence[Array],
    after: Sequence[Array],
) -> Tensor:
    if not before and not after:
        return x
    shape = (1, *x.foreign_shape[1:])
    sides = [(0, 0)] * len(shape)
    first, last = (sum(a.shape[axis] for a in given) for given in (before, after))
    sides[axis] = first, last
    whole = (*before, np.zeros(shape, np.float32), *after)
    try:
        offset = np.concatenate(whole, axis=axis).astype(np.float32)
    except ValueError:
        shapes = ", ".join(str(a.shape) for a in (*before, *after))
        ref.refuse("join constants that fit", f"{shapes} to {relayout.show(x)}")
    padded = relayout.pad(builder, ref.part("zeros"), x, sides)
    return builder.affine(ref.part("constant"), padded, offset=offset)
