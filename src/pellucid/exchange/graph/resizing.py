"""Add the layer that resizes an image as a foreign operator does."""

from __future__ import annotations

from typing import Any

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import Tensor
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Shape


def add_resize(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor, **settings: Any
) -> Tensor:
    """Add a Resize; an Upsample2D where that does the same.

    ``settings`` are the arguments of `pl.Resize`.
    """
    image = builder.image(ref, x)
    layer = pl.Resize(**settings)
    return builder.layer(ref, _simplest(layer, image.shape), [image])


def _simplest(layer: pl.Resize, shape: Shape) -> Layer:
    """Return an Upsample2D where it takes the same elements by the same shares."""
    if layer.mode == "bicubic":
        return layer
    factors = []
    for axis in (0, 1):
        n, m = shape[axis], layer.length(axis, shape[axis])
        factor = m // n
        if not factor or m != n * factor:
            return layer
        plain = pl.Resize((m, m), mode=layer.mode)
        if layer.mode == "nearest":
            plain = pl.Resize((m, m), coordinates="asymmetric", rounding="floor")
        if layer.taps(axis, n) != plain.taps(axis, n):
            return layer
        factors.append(factor)
    return pl.Upsample2D((factors[0], factors[1]), mode=layer.mode)
