"""Constants that differ from element to element: added to values, or multiplied.

They become a frozen BatchNorm of the value as one row, as constants per channel become
one of the value itself.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network import layers as pl

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder


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
    if constant.ndim != len(x.axes) or len(constant) < 2:
        return constant
    first = constant[:1]
    return first if x.axes[0] == 0 and (constant == first).all() else constant


def affine(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    *,
    scale: Array | None,
    offset: Array | None,
) -> Tensor:
    """Multiply by and add constants, one for each element."""
    x = relayout.in_order(builder, ref, x)
    given = [array for array in (scale, offset) if array is not None]
    dtype = given[0].dtype if given[0].dtype.kind == "f" else np.dtype(np.float32)
    count = prod(x.shape)
    ones = np.ones(count, dtype)
    weights = {
        "scale": ones if scale is None else _own(ref, x, scale),
        "offset": ones * 0 if offset is None else _own(ref, x, offset),
        "running_mean": ones * 0,
        "running_variance": ones,
    }
    layer = pl.BatchNorm(epsilon=0.0, trainable=False)
    if len(x.shape) == 1:
        return builder.layer(ref, layer, [x], weights)
    axes = (0, 1)
    row = builder.layer(ref.part("row"), pl.Reshape((count,)), [x], axes=axes)
    made = builder.layer(ref, layer, [row], weights)
    back = pl.Reshape(x.shape)
    return builder.layer(ref.part("shape"), back, [made], axes=x.axes)


def _own(ref: OperatorRef, x: Tensor, constant: Array) -> Array:
    """Return a constant of the file as one row of the node's elements."""
    shape = (1, *x.foreign_shape[1:])
    try:
        whole = np.broadcast_to(constant, shape)
    except ValueError:
        ref.refuse(
            "have a constant that is one number, one per channel, or one per element",
            f"shape={constant.shape} beside {relayout.show(x)}",
        )
    own: Array = x.from_foreign(whole).reshape(-1)
    return own.astype(constant.dtype, copy=True)
