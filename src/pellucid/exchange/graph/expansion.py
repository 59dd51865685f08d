"""Axes of length 1 that a foreign file stretches to others' lengths."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.tensor import BATCH, Tensor
from pellucid.network.composites import Composer
from pellucid.network.composites.padding import repeat

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder


def expand(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    shape: Sequence[int],
    *,
    readers: Collection[str],
    stretching: Collection[str],
) -> Tensor:
    """Repeat the elements of axes of length 1, as NumPy broadcasts them.

    Parameters
    ----------
    builder : NetworkBuilder
    ref : OperatorRef
    x : Tensor
    shape : sequence of int
        The file's; −1 keeps an axis, and so does a 1.
    readers : collection of str
        What reads the result.
    stretching : collection of str
        Operators that broadcast by themselves: where no others read it, x stays.
    """
    missing = len(shape) - len(x.axes)
    if missing < 0:
        missing, shape = 0, [-1] * -missing + list(shape)
    old = (1,) * missing + x.foreign_shape
    new = [
        n if m in (-1, 1, BATCH) or (j == 0 and m == builder.batch) else m
        for j, (n, m) in enumerate(zip(old, shape, strict=True))
    ]
    if any(n not in (1, m) for n, m in zip(old, new, strict=True)):
        ref.refuse("stretch axes of length 1", f"{relayout.show(x)} to {list(shape)}")
    if missing:
        x = builder.reshape(ref, x, old)
    longer = [j for j, (n, m) in enumerate(zip(old, new, strict=True)) if n != m]
    if not longer or (readers and set(readers) <= set(stretching)):
        return x
    x = relayout.as_foreign(builder, ref.part("layout"), x)

    def place(composer: Composer[Tensor], value: Tensor) -> Tensor:
        for axis in longer:
            value = repeat(composer, value, axis - 1, new[axis])
        return value

    return compose(builder, ref, x, place)


def tile(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor, repeats: Sequence[int]
) -> Tensor:
    """Repeat a value along axes: join it with itself.

    Parameters
    ----------
    builder : NetworkBuilder
    ref : OperatorRef
    x : Tensor
    repeats : sequence of int
        How often, for each of the file's axes or for the last of more.
    """
    missing = len(repeats) - len(x.axes)
    if missing > 0:
        x = builder.reshape(ref, x, (1,) * missing + x.foreign_shape)
    every = [1] * -min(missing, 0) + [int(n) for n in repeats]
    if min(every, default=0) < 1 or every[0] != 1:
        ref.refuse("repeat other axes than the batch", f"repeats={list(repeats)}")
    for axis, count in enumerate(every):
        if count > 1:
            x = builder.concat(ref, [x] * count, axis)
    return x
