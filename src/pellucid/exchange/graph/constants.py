"""Constants that differ from element to element: added to values, or multiplied.

They become a Parameter, which is added or multiplied as another value is; it is
frozen unless its author's training changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network import layers as pl

if TYPE_CHECKING:
    from pellucid.exchange.graph.product_builder import ProductBuilder


def is_per_channel(x: Tensor, constant: Array | None) -> bool:
    """Whether a constant is one number, or one per channel; None is."""
    if constant is None:
        return True
    rank = len(x.axes)
    shape = (1,) * (rank - constant.ndim) + constant.shape
    return len(shape) == rank and all(
        n == 1 or (axis == len(x.shape) and n == x.shape[-1])
        for n, axis in zip(shape, x.axes, strict=True)
    )


def without_batch(x: Tensor, constant: Array) -> Array:
    """Return a constant that is the same for each example of a batch as one of these.

    Exporters that know the batch repeat a table of positions for all of it.
    """
    if constant.ndim != len(x.axes) or not constant.ndim or len(constant) < 2:
        return constant
    first = constant[:1]
    return first if x.axes[0] == 0 and (constant == first).all() else constant


def affine(
    builder: ProductBuilder,
    ref: OperatorRef,
    x: Tensor,
    *,
    scale: Array | None,
    offset: Array | None,
) -> Tensor:
    """Multiply by and add constants, by a Parameter each."""
    x = relayout.in_order(builder, ref, x)
    steps = [(pl.Multiply(), scale, "scale"), (pl.Add(), offset, "offset")]
    left = [step for step in steps if step[1] is not None]
    for i, (layer, constant, role) in enumerate(left):
        if constant is not None:
            own, trains = _own(ref, x, constant), builder.learned.holds(constant)
            value = builder.parameter(ref.part(role), x.node, own, trainable=trains)
            given = ref if i == len(left) - 1 else ref.part("scaled")
            made = builder.layer(given, layer, [x, value], axes=x.axes, joined=x.joined)
            x = made
    return x


def _own(ref: OperatorRef, x: Tensor, constant: Array) -> Array:
    """Return a constant of the file laid out as the node's examples.

    Axes along which it is the same have length 1; leading ones are left out.
    """
    wide = constant.reshape((1,) * (len(x.axes) - constant.ndim) + constant.shape)
    foreign = x.foreign_shape
    fits = wide.ndim == len(foreign) and all(
        n == 1 or (axis not in (0, None) and n == m)
        for n, m, axis in zip(wide.shape, foreign, x.axes, strict=True)
    )
    if not fits:
        ref.refuse(
            "have a constant that is one number, one per channel, or one per element",
            f"shape={constant.shape} beside {relayout.show(x)}",
        )
    own = [axis for axis in x.axes if axis]
    given = [j for j, axis in enumerate(x.axes) if axis]
    kept = wide.reshape([wide.shape[j] for j in given])
    missing = [axis for axis in range(1, len(x.shape) + 1) if axis not in own]
    kept = kept.reshape((*kept.shape, *(1 for _ in missing)))
    placed = kept.transpose(np.argsort([*own, *missing]))
    while placed.ndim > 1 and placed.shape[0] == 1:
        placed = placed[0]
    return placed.astype(constant.dtype, copy=True)


def divide_by_parameter(
    builder: ProductBuilder, ref: OperatorRef, x: Tensor, divisor: Array
) -> Tensor:
    """Divide by a constant that trains: multiply by its reciprocal."""
    x = relayout.in_order(builder, ref, x)
    own = _own(ref, x, without_batch(x, divisor))
    value = builder.parameter(ref.part("divisor"), x.node, own, trainable=True)
    inverse = pl.Elementwise(lambda x: 1 / x)
    factor = builder.layer(ref.part("reciprocal"), inverse, [value])
    return builder.layer(ref, pl.Multiply(), [x, factor], axes=x.axes, joined=x.joined)
