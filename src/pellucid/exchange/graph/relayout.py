"""Reshapes, permutations and ranges of a foreign file, where values lie otherwise here.

A file that has its images channels first means that order where it reshapes, slices
or joins. A `Tensor` knows where each foreign axis is in its node; what follows works
on the node's own axes as long as that is the same, and brings elements into the file's
order, by a Permute, where it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.joined_batch import (
    as_examples,
    join,
    split_axes,
    split_shape,
)
from pellucid.exchange.graph.tensor import BATCH, Tensor
from pellucid.network import layers as pl
from pellucid.network.composites import Composer
from pellucid.network.composites.padding import Mode
from pellucid.network.composites.padding import pad as lengthen
from pellucid.network.layers import Shape

if TYPE_CHECKING:
    from pellucid.exchange.graph.node_builder import NodeBuilder

Range = tuple[int, int | None, int | None, int]


def show(x: Tensor) -> str:
    """Return a foreign shape as people write it."""
    return _shown(x.foreign_shape)


def arrange(
    builder: NodeBuilder,
    ref: OperatorRef,
    x: Tensor,
    order: Sequence[int],
    shape: Shape,
) -> str:
    """Return a node with x's elements in that order of its foreign axes.

    Parameters
    ----------
    builder : NodeBuilder
    ref : OperatorRef
        The operator for which it is done; the last layer that is needed has its name.
    x : Tensor
        Not flattened channels first.
    order : sequence of int
        The foreign axes of more than one element, slowest first, the batch left out.
    shape : tuple of int
        The shape of the node's value, in that order.
    """
    one_example(ref, x)
    own: list[int] = []
    for j in order:
        axis = x.axes[j]
        if axis is None:
            raise TypeError(x.axes)
        own.append(axis - 1)
    longer = [axis for axis, n in enumerate(x.shape) if n > 1]
    moved = x
    if own != longer:
        axes = (*own, *(axis for axis, n in enumerate(x.shape) if n == 1))
        is_last = tuple(x.shape[axis] for axis in axes) == shape
        given = ref if is_last else ref.part("layout")
        plain = tuple(range(len(axes) + 1))
        moved = builder.layer(given, pl.Permute(axes), [x], axes=plain)
    if moved.shape != shape:
        made = builder.nodes[moved.node]
        is_reshaped = isinstance(made.layer, pl.Reshape)
        if is_reshaped and builder.shapes[made.inputs[0]] == shape:
            return made.inputs[0]  # there and back
        axes = tuple(range(len(shape) + 1))
        moved = builder.layer(ref, pl.Reshape(shape), [moved], axes=axes)
    return moved.node


def one_example(ref: OperatorRef, x: Tensor) -> None:
    """Refuse a value whose batch is joined with other axes."""
    if x.joined != (0,):
        ref.refuse("read a batch that is joined with no other axis", show(x))


def longer_axes(x: Tensor) -> list[int]:
    """Return the foreign axes of more than one element, the batch left out."""
    shape = x.foreign_shape
    return [j for j, axis in enumerate(x.axes) if axis != 0 and shape[j] > 1]


def with_axes(
    builder: NodeBuilder, ref: OperatorRef, x: Tensor, axes: tuple[int, ...]
) -> Tensor:
    """Return the same foreign value, held by a node whose axes lie so.

    ``axes`` has each of the node's axes once, the batch (0) first.
    """
    if x.axes == axes and x.order is None:
        return x
    if 0 not in x.axes and 0 not in axes:
        own = (0, *axes)
        return as_examples(x, lambda one: with_axes(builder, ref, one, own))
    x = in_order(builder, ref, x)
    if x.axes[0] != 0 or axes[0] != 0 or len(axes) != len(x.axes):
        ref.refuse("keep the batch as its first axis", f"{show(x)}")
    foreign = x.foreign_shape
    places = sorted(range(1, len(axes)), key=axes.__getitem__)
    shape = tuple(foreign[j] for j in places)
    node = arrange(builder, ref, x, [j for j in places if foreign[j] > 1], shape)
    return Tensor(node, shape, axes)


def as_foreign(builder: NodeBuilder, ref: OperatorRef, x: Tensor) -> Tensor:
    """Return the value held by a node that lies as in the file."""
    start = 0 if 0 in x.axes else 1
    return with_axes(builder, ref, x, tuple(range(start, start + len(x.axes))))


def in_order(builder: NodeBuilder, ref: OperatorRef, x: Tensor) -> Tensor:
    """Return a flattened image with its features in the file's order."""
    if x.order is None:
        return x
    if x.image is None:
        ref.refuse(
            "read features in one order",
            "several images that were flattened and joined",
        )
    shape, axes = x.image
    given = ref.part("layout")
    plain = tuple(range(len(shape) + 1))
    image = builder.layer(given, pl.Reshape(shape), [x], axes=plain)
    turned = builder.layer(given, pl.Permute(axes), [image], axes=plain)
    flat = builder.layer(given, pl.Flatten(), [turned], axes=(0, 1))
    return replace(flat, axes=x.axes)


def aligned(
    builder: NodeBuilder, ref: OperatorRef, tensors: Sequence[Tensor]
) -> list[Tensor]:
    """Return tensors of as many axes with one layout, that of the first."""
    first = tensors[0]
    if all(first.same_axes(other) for other in tensors[1:]):
        return list(tensors)
    if None in first.axes or first.order is not None:
        first = as_foreign(builder, ref, first)
    axes = tuple(axis for axis in first.axes if axis is not None)
    if any(len(other.axes) != len(axes) for other in tensors):
        ref.refuse("read tensors of one rank", " and ".join(map(show, tensors)))
    return [first, *(with_axes(builder, ref, other, axes) for other in tensors[1:])]


def reshape(builder: NodeBuilder, ref: OperatorRef, x: Tensor, new: Shape) -> Tensor:
    """Reshape; `BATCH` is a factor of one size of ``new``.

    Where axes are only split or joined that lie beside each other in the node, too,
    the node's own axes are reshaped; else elements are brought into the file's order.
    """
    x = split_axes(in_order(builder, ref, x))
    shown = f"{show(x)} to {_shown(new)}"
    wanted, axis, count = split_shape(ref, x.foreign_shape, new, shown)
    return join(_reshape(builder, ref, x, wanted), axis, count)


def _reshape(builder: NodeBuilder, ref: OperatorRef, x: Tensor, new: Shape) -> Tensor:
    """Reshape what lies before the batch, and what lies behind it."""
    foreign, order = x.foreign_shape, longer_axes(x)
    at, to = foreign.index(BATCH), new.index(BATCH)
    groups: list[tuple[list[int], list[int]]] = []
    for old, sizes in (
        ([j for j in order if j < at], new[:to]),
        ([j for j in order if j > at], new[to + 1 :]),
    ):
        lengths = [(j, foreign[j]) for j in old]
        groups += _groups(lengths, [n for n in sizes if n > 1])
    rest = (*new[:to], *new[to + 1 :])
    own_groups = [
        (sorted(axis for axis in (x.axes[j] for j in old) if axis is not None), old, to)
        for old, to in groups
    ]
    longer = [axis + 1 for axis, n in enumerate(x.shape) if n > 1]
    is_local = all(
        own == [x.axes[j] for j in old] and _are_neighbours(own, longer)
        for own, old, _ in own_groups
    )
    if is_local:
        ordered = sorted(own_groups, key=lambda group: group[0][:1])
        sizes = tuple(n for _, _, to in ordered for n in to)
        order = [j for _, old, _ in ordered for j in old]
        starts = [0, *accumulate(len(to) for _, _, to in ordered)]
        pairs = zip(starts, ordered, strict=False)
        firsts = {old[0]: 1 + start for start, (_, old, _) in pairs}
        places = [
            firsts[old[0]] + k for _, old, to in own_groups for k in range(len(to))
        ]
    else:
        sizes = tuple(n for n in rest if n > 1)
        places = [1 + k for k in range(len(sizes))]
    if places == list(range(1, len(places) + 1)) and rest:  # as in the file
        node = arrange(builder, ref, x, order, rest)
        axes = (*range(1, to + 1), 0, *range(to + 1, len(new)))
        return Tensor(node, rest, axes)
    node = arrange(builder, ref, x, order, sizes)
    found = iter(places)
    inside = [next(found) if n > 1 else None for n in rest]
    return Tensor(node, sizes, (*inside[:to], 0, *inside[to:]))


def _shown(shape: Shape) -> str:
    """Return a foreign shape as people write it."""
    words = []
    for n in shape:
        factor, rest = divmod(n, BATCH)
        is_batch = not rest and factor
        words.append(f"{factor} · N" if is_batch and factor > 1 else "N")
        if not is_batch:
            words[-1] = str(n)
    return f"({', '.join(words)})"


def _are_neighbours(own: list[int], longer: list[int]) -> bool:
    """Whether axes lie beside each other, those of one element left out."""
    if not own:
        return True
    start = longer.index(own[0])
    return longer[start : start + len(own)] == own


def _groups(
    old: list[tuple[int, int]], new: list[int]
) -> list[tuple[list[int], list[int]]]:
    """Cut two lists of sizes into the shortest parts of equal products.

    Returns (foreign axes, new sizes) of each.
    """
    found, old, new = [], list(old), list(new)
    while old:
        have, wanted = [old.pop(0)], [new.pop(0)]
        while prod(n for _, n in have) != prod(wanted):
            if prod(n for _, n in have) < prod(wanted):
                have.append(old.pop(0))
            else:
                wanted.append(new.pop(0))
        found.append(([j for j, _ in have], wanted))
    return found


def concat(
    builder: NodeBuilder, ref: OperatorRef, inputs: Sequence[Tensor], axis: int
) -> Tensor:
    """Join along any foreign axis but the batch."""
    rank = len(inputs[0].axes)
    if not -rank <= axis < rank:
        ref.refuse(f"join along one of {rank} axes", f"axis={axis}")
    same = aligned(builder, ref, [in_order(builder, ref, x) for x in inputs])
    if same[0].axes[axis] is None:
        same = [as_foreign(builder, ref, x) for x in same]
    own = same[0].axes[axis]
    if not own:
        ref.refuse("join along another axis than the batch", f"axis={axis}")
    is_last = own == len(same[0].shape)
    return builder.layer(ref, pl.Concat(axis=-1 if is_last else own - 1), same)


def take(
    builder: NodeBuilder, ref: OperatorRef, x: Tensor, ranges: Sequence[Range]
) -> Tensor:
    """Take ranges (foreign axis, start, stop, step) as Python counts them."""
    x = in_order(builder, ref, x)
    shape, rank, rows = x.foreign_shape, len(x.axes), []
    for axis, start, stop, step in ranges:
        if not -rank <= axis < rank or step == 0:
            ref.refuse(f"slice {rank} axes by steps", f"axis={axis}, step={step}")
        n, own = shape[axis], x.axes[axis]
        if (
            own == 0
            and (start or 0, step) == (0, 1)
            and (stop is None or stop >= 2**30)
        ):
            continue  # the batch, whole
        begin, end, step = slice(start, stop, step).indices(n)
        if (begin, end, step) == (0, n, 1):
            continue
        if not range(begin, end, step):
            ref.refuse("leave at least one element", f"{start}:{stop}:{step} of {n}")
        if own == 0:
            ref.refuse("keep the whole batch", f"{start}:{stop}:{step}")
        if own is None:
            continue  # the only element, whichever way
        is_last = own == len(x.shape)
        rows.append((begin, None if end < 0 else end, step, -1 if is_last else own - 1))
    if not rows:
        return replace(x)
    if len(rows) == 1:
        begin, stop, step, axis = rows[0]
        return builder.layer(ref, pl.Slice(begin, stop, step, axis=axis), [x])
    starts, stops, steps, axes = zip(*rows, strict=True)
    return builder.layer(ref, pl.Slice(starts, stops, steps, axis=axes), [x])


def split(
    builder: NodeBuilder,
    ref: OperatorRef,
    x: Tensor,
    axis: int,
    sizes: Sequence[int],
) -> list[Tensor]:
    """Cut an axis into neighbouring ranges of those sizes."""
    rank = len(x.axes)
    if not -rank <= axis < rank or sum(sizes) != x.foreign_shape[axis]:
        ref.refuse(f"cut an axis of {show(x)} into its parts", f"{axis}: {list(sizes)}")
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [
        take(builder, ref, x, [(axis, start, start + size, 1)])
        for start, size in zip(starts, sizes, strict=True)
    ]


def pad(
    builder: NodeBuilder,
    ref: OperatorRef,
    x: Tensor,
    sides: Sequence[tuple[int, int]],
    mode: Mode = "constant",
    value: float = 0.0,
) -> Tensor:
    """Pad foreign axes, with zeros unless said otherwise; crop by negative sides."""
    x = in_order(builder, ref, x)
    padded = [j for j, pair in enumerate(sides) if any(pair)]
    if any(x.axes[j] == 0 for j in padded):
        ref.refuse("leave the batch as it is", f"{list(sides)} of {show(x)}")
    if any(x.axes[j] is None for j in padded):
        x = as_foreign(builder, ref.part("layout"), x)
    cropped = [
        (j, max(-first, 0), n - max(-last, 0), 1)
        for j, ((first, last), n) in enumerate(zip(sides, x.foreign_shape, strict=True))
        if min(first, last) < 0
    ]
    x = take(builder, ref, x, cropped)
    own = {
        axis - 1: (max(a, 0), max(b, 0))
        for axis, (a, b) in zip(x.axes, sides, strict=True)
        if axis
    }

    def place(composer: Composer[Tensor], given: Tensor) -> Tensor:
        return lengthen(composer, given, own, mode, value, who="padding")

    made = compose(builder, ref, x, place)
    return replace(x, node=made.node, shape=made.shape)
