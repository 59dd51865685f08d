"""Products of values: matrices, sums over named axes, attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.tensor import BATCH, Tensor
from pellucid.network import layers as pl
from pellucid.network.expression import math

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder

#: stands for −∞ in masks: far below every score, so that its exponential is 0
LOWEST = -1e30


def matmul(
    builder: NetworkBuilder, ref: OperatorRef, first: Any, second: Any
) -> Tensor:
    """Multiply values, or a value and a constant, as NumPy's matmul does."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return builder.matmul(ref, first, second)
    sides = first, second
    if isinstance(second, np.ndarray) and second.ndim == 2:
        return _with_axes(builder.dense(ref, first, second, None), first)
    if isinstance(first, np.ndarray) and first.ndim == 2:
        return builder.dense_before(ref, second, first.T)
    value = first if isinstance(first, Tensor) else second
    if not isinstance(value, Tensor):
        ref.refuse("multiply the network's value", "constants alone")
    a, b = (
        side if isinstance(side, Tensor) else _constant(builder, ref, value, side)
        for side in sides
    )
    return builder.matmul(ref, a, b)


def _with_axes(made: Tensor, x: Tensor) -> Tensor:
    """Return a product with the axes of length 1 that x has in front."""
    kept = [axis for axis in x.axes if axis is not None]
    if len(kept) == len(x.axes) or x.axes[-1] is None or len(made.axes) != len(kept):
        return made
    found = iter(made.axes)
    axes = tuple(None if axis is None else next(found) for axis in x.axes)
    return replace(made, axes=axes)


def _constant(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor, array: Any
) -> Tensor:
    """Return constant matrices, one for all examples, as a value."""
    rank = len(x.axes)
    if not isinstance(array, np.ndarray) or not 2 < array.ndim <= rank:
        ref.refuse("multiply by constant matrices", f"{np.shape(array)}")
    wide = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if len(wide) > 1 and (wide == wide[:1]).all():
        wide = wide[:1]
    if x.axes[0] != 0 or x.joined != (0,) or len(wide) != 1:
        ref.refuse("multiply by matrices of one example", f"{array.shape}")
    value = wide[0].astype(np.float32, copy=False)
    return builder.parameter(ref.part("constant"), x.node, value)


def einsum(
    builder: NetworkBuilder, ref: OperatorRef, equation: str, values: Sequence[Any]
) -> Tensor:
    """Sum products of two values over the axes that the equation leaves out."""
    text = equation.replace(" ", "")
    sides, arrow, out = text.partition("->")
    labels = sides.split(",")
    if not arrow:
        once = [c for c in sorted(set(sides)) if c != "," and sides.count(c) == 1]
        out = "".join(once)
    used = [*labels, out]
    is_plain = "." not in text and all(len(set(part)) == len(part) for part in used)
    if len(values) != 2 or len(labels) != 2 or not is_plain:
        ref.refuse("combine two values by distinct letters", equation)
    if isinstance(values[0], np.ndarray):
        values, labels = values[::-1], labels[::-1]
    (x, y), (a, b) = values, labels
    ranks = [len(v.axes) if isinstance(v, Tensor) else np.ndim(v) for v in (x, y)]
    if not isinstance(x, Tensor) or ranks != [len(a), len(b)]:
        ref.refuse("name the axes of the network's values", equation)
    both = [c for c in a if c in b and c in out]
    inner = [c for c in a if c in b and c not in out]
    rows = [c for c in a if c not in b]
    columns = [c for c in b if c not in a]
    if not set(rows + columns) <= set(out) or set(out) - set(a + b):
        ref.refuse("sum over axes of both values alone", equation)
    sizes = dict(zip(a, x.foreign_shape, strict=True))
    shape_y = y.foreign_shape if isinstance(y, Tensor) else y.shape
    sizes |= {c: n for c, n in zip(b, shape_y, strict=True) if c in columns}

    def count(letters: Sequence[str]) -> int:
        return prod(sizes[c] for c in letters)

    lead = [sizes[c] for c in both]
    order = [a.index(c) for c in (*both, *rows, *inner)]
    first = builder.transpose(ref, x, order)
    first = builder.reshape(ref.part("rows"), first, [*lead, count(rows), count(inner)])
    turn = [b.index(c) for c in (*both, *inner, *columns)]
    to = [count(inner), count(columns)]
    if isinstance(y, Tensor):
        second: Any = builder.transpose(ref, y, turn)
        second = builder.reshape(ref.part("columns"), second, [*lead, *to])
    else:
        own = [1 if n == BATCH else n for n in lead]
        second = y.transpose(turn).reshape([*own, *to] if both else to)
    made = matmul(builder, ref, first, second)
    whole = [*both, *rows, *columns]
    made = builder.reshape(ref.part("axes"), made, [sizes[c] for c in whole])
    return builder.transpose(ref, made, [whole.index(c) for c in out])


def contract(
    builder: NetworkBuilder,
    ref: OperatorRef,
    pair: tuple[Tensor, Tensor],
    axes: tuple[int, int],
) -> Tensor:
    """Sum products over an axis of each value: (N, axes of one, axes of the other)."""
    sides, rest = [], []
    for x, axis, is_first in zip(pair, axes, (True, False), strict=True):
        rank = len(x.axes)
        if axis % rank == 0:
            ref.refuse("sum over another axis than the batch", f"axes={axes}")
        shape, axis = x.foreign_shape, axis % rank
        others = [j for j in range(1, rank) if j != axis]
        order = [0, *others, axis] if is_first else [0, axis, *others]
        count = prod(shape[j] for j in others)
        to = (count, shape[axis]) if is_first else (shape[axis], count)
        turned = builder.transpose(ref, x, order)
        sides.append(builder.reshape(ref.part("matrix"), turned, [BATCH, *to]))
        rest += [shape[j] for j in others]
    made = builder.matmul(ref, sides[0], sides[1])
    return builder.reshape(ref.part("axes"), made, [BATCH, *(rest or [1])])


def attention(
    builder: NetworkBuilder,
    ref: OperatorRef,
    values: tuple[Tensor, Tensor, Tensor],
    *,
    scale: float | None = None,
    mask: Any = None,
    band: tuple[int | None, int | None] = (None, None),
    dropout: float = 0.0,
    softcap: float = 0.0,
) -> Tensor:
    """Add ``softmax(scale · q · kᵀ + mask) · v`` over the last two axes of each.

    ``scale`` is 1 / √d unless given. A mask of booleans keeps where it is true. Where
    there is a ``softcap`` c, scores are c · tanh(score / c). ``band`` is how many keys
    before and behind its own place a query sees, all unless given.
    """
    query, key, value = values
    size, rank = query.foreign_shape[-1], len(key.axes)
    factor = size**-0.5 if scale is None else scale
    order = [*range(rank - 2), rank - 1, rank - 2]
    turned = builder.transpose(ref, key, order)
    scores = builder.matmul(ref.part("scores"), query, turned, factor)
    if softcap:
        cap = pl.Elementwise(lambda x: softcap * math.tanh(x / softcap))
        scores = builder.elementwise(ref.part("softcap"), scores, cap)
    given = [] if mask is None else [mask]
    before, behind = band
    whole = np.ones(scores.foreign_shape[-2:], bool)
    if before is not None:
        given.append(np.triu(whole, -before))
    if behind is not None:
        given.append(np.tril(whole, behind))
    for one in given:
        if isinstance(one, Tensor):
            scores = builder.add(ref.part("mask"), [scores, one])
            continue
        offset = np.where(one, 0.0, LOWEST) if one.dtype == bool else one
        offset = np.maximum(offset, LOWEST).astype(np.float32)
        scores = builder.affine(ref.part("mask"), scores, offset=offset)
    weights = builder.softmax(ref.part("softmax"), scores, -1)
    if dropout:
        layer = pl.Dropout(dropout)
        weights = builder.elementwise(ref.part("dropout"), weights, layer)
    return builder.matmul(ref, weights, value)
