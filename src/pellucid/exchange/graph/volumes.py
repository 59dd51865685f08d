"""Volumes of a foreign file: convolution and pools of three axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.tensor import Array, Tensor, first_axes
from pellucid.network.composites import AvgPool3D, Conv3D

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder


def volume(builder: NetworkBuilder, ref: OperatorRef, x: Tensor) -> Tensor:
    """Return x, a volume, held by a node of (depth, height, width, channels)."""
    is_first = builder.image_axes[1] == 3
    axes = first_axes(5) if is_first else (0, 1, 2, 3, 4)
    if x.axes == axes:
        return x
    if len(x.axes) != 5 or x.axes[0] != 0:
        ref.refuse(
            "read a batch of volumes", f"{relayout.show(x)} laid out as {x.axes}"
        )
    return relayout.with_axes(builder, ref.part("volume"), x, axes)


def conv(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    weight: Array,
    bias: Array | None,
    **sizes: Any,
) -> Tensor:
    """Add a convolution; weight (kd, kh, kw, in / groups, out)."""
    given = volume(builder, ref, x)
    inputs = weight.shape[3] * sizes.get("groups", 1)
    if inputs != given.shape[3]:
        ref.refuse(f"read {inputs} channels", f"{given.shape[3]}")
    kernel = weight.shape[:3]
    layer = Conv3D(weight.shape[4], kernel, bias=bias is not None, **sizes)
    images = weight.transpose(1, 2, 0, 3, 4)
    weights: Mapping[str, Array] = {
        "weight": images.reshape(*kernel[1:], -1, weight.shape[4])
    }
    if bias is not None:
        weights = {**weights, "bias": bias.reshape(-1)}
    made = compose(builder, ref, given, layer.compose, weights)
    return replace(made, axes=given.axes)


def pool(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    kind: Any,
    *,
    padding: Any,
    counts_zeros: bool = False,
    **sizes: Any,
) -> Tensor:
    """Add a pool; ``counts_zeros`` lets an average count the zeros around."""
    given = volume(builder, ref, x)
    if kind is AvgPool3D and counts_zeros and any(map(any, padding)):
        own = {1: padding[0], 2: padding[1], 3: padding[2]}
        sides = [own.get(axis or 0, (0, 0)) for axis in given.axes]
        given = relayout.pad(builder, ref.part("pad"), given, sides)
        padding = ((0, 0),) * 3
    layer = kind(padding=padding, **sizes)
    made = compose(builder, ref, given, layer.compose)
    return replace(made, axes=given.axes)
