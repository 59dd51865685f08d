"""Sequences of a foreign file as images of height 1, for layers of images alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.tensor import Tensor
from pellucid.network import layers as pl

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder


def through_image(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    place: Callable[[Tensor], Tensor],
) -> Tensor:
    """Place a layer of images of height 1 behind a sequence.

    Parameters
    ----------
    builder : NetworkBuilder
    ref : OperatorRef
    x : Tensor
        The sequence.
    place : callable
        From the image to the layer's output, of height 1 too.
    """
    row = builder.sequence(ref, x)
    wide = pl.Reshape((1, *row.shape))
    image = builder.layer(ref.part("image"), wide, [row], axes=builder.image_axes)
    made = place(image)
    narrow = pl.Reshape(made.shape[1:])
    return builder.layer(ref.part("sequence"), narrow, [made], axes=row.axes)
