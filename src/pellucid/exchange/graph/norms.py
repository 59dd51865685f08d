"""Norms over several axes of a foreign file, and by the root mean square."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.joined_batch import as_examples, has_batch_first
from pellucid.exchange.graph.reductions import reduce
from pellucid.exchange.graph.tensor import BATCH, Array, Tensor
from pellucid.network import layers as pl
from pellucid.network.composites import ReduceMean
from pellucid.network.expression import math

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder


def layer_norm(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    count: int,
    *,
    epsilon: float,
    scale: Array | None,
    offset: Array | None,
) -> Tensor:
    """Normalise over the last ``count`` foreign axes, seen as one.

    Where that is the channels alone, it is their LayerNorm; else elements are brought
    into the file's order, and these axes are joined.
    """
    if not has_batch_first(x) and 0 not in x.axes[-count:]:
        return as_examples(
            x,
            lambda one: layer_norm(
                builder, ref, one, count, epsilon=epsilon, scale=scale, offset=offset
            ),
        )
    shape = x.foreign_shape
    rank = len(shape)
    if not 0 < count < rank:
        ref.refuse("normalise over axes behind the batch", f"the last {count}")
    sizes = shape[rank - count :]
    for role, array in (("scale", scale), ("offset", offset)):
        if array is not None and prod(sizes) % array.size:
            ref.refuse(f"have {prod(sizes)} numbers as {role}", f"{array.shape}")
    layer = pl.LayerNorm(epsilon=epsilon)
    dtype = np.float32 if scale is None else scale.dtype
    ones = np.ones(sizes, dtype)
    weights = {
        "scale": (ones if scale is None else ones * scale).reshape(-1),
        "offset": (ones * 0 if offset is None else ones * 0 + offset).reshape(-1),
    }
    if count == 1 and x.axes[-1] == len(x.shape):
        return builder.normalization(ref, x, layer, weights)
    joined = (BATCH, *shape[1 : rank - count], prod(sizes))
    given = relayout.as_foreign(builder, ref.part("layout"), x)
    row = builder.reshape(ref.part("row"), given, joined)
    row = relayout.as_foreign(builder, ref.part("row"), builder.vector(row))
    made = builder.normalization(ref, row, layer, weights)
    return builder.reshape(ref.part("shape"), made, shape)


def rms_norm(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    count: int,
    *,
    epsilon: float,
    scale: Array | None,
) -> Tensor:
    """``x / √(mean of x² + ε) · scale`` over the last ``count`` foreign axes."""
    square = pl.Elementwise(lambda x: x * x)
    inverse = pl.Elementwise(lambda x: 1 / math.sqrt(x + epsilon))
    squares = builder.elementwise(ref.part("square"), x, square)
    axes = list(range(len(x.axes) - count, len(x.axes)))
    mean = reduce(builder, ref.part("mean"), squares, ReduceMean, axes, keepdims=True)
    root = builder.elementwise(ref.part("root"), mean, inverse)
    made = builder.arithmetic(ref, pl.Multiply(), [x, root])
    if scale is None:
        return made
    return builder.affine(ref.part("scale"), made, scale=scale)
