"""Layers with windows: convolutions, pools and padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.layout_builder import LayoutBuilder
from pellucid.exchange.graph.node_builder import weight_and_bias
from pellucid.exchange.graph.tensor import (
    Array,
    Tensor,
)
from pellucid.network import layers as pl
from pellucid.network.checks import Pair
from pellucid.network.composites import DilatedMaxPool1D, DilatedMaxPool2D
from pellucid.network.layers import Shape
from pellucid.network.window import Pads


class WindowBuilder(LayoutBuilder):
    """Adds convolutions, pools and padding."""

    def conv(
        self,
        ref: OperatorRef,
        x: Tensor,
        weight: Array,
        bias: Array | None,
        *,
        transposed: bool = False,
        **sizes: Any,
    ) -> Tensor:
        """Add a Conv2D or ConvTranspose2D; weight (kh, kw, in / groups, out)."""
        if not transposed and self.is_row(x) and weight.shape[0] == 1:
            layer_1d = pl.Conv1D(
                weight.shape[3],
                weight.shape[1],
                bias=bias is not None,
                **_along_row(sizes),
            )
            flat = weight_and_bias(weight[0], bias)
            return self.layer(ref, layer_1d, [x], flat)
        kind = pl.ConvTranspose2D if transposed else pl.Conv2D
        image = self.image(ref, x)
        inputs = weight.shape[2] * sizes.get("groups", 1)
        if inputs != image.shape[2]:
            ref.refuse(f"read {inputs} channels", f"{image.shape[2]}")
        layer = kind(
            weight.shape[3],
            kernel_size=weight.shape[:2],
            bias=bias is not None,
            **sizes,
        )
        return self.layer(ref, layer, [image], weight_and_bias(weight, bias))

    def conv1d(
        self,
        ref: OperatorRef,
        x: Tensor,
        weight: Array,
        bias: Array | None,
        **sizes: Any,
    ) -> Tensor:
        """Add a Conv1D; weight (k, in / groups, out)."""
        row = self.sequence(ref, x)
        inputs = weight.shape[1] * sizes.get("groups", 1)
        if inputs != row.shape[1]:
            ref.refuse(f"read {inputs} channels", f"{row.shape[1]}")
        layer = pl.Conv1D(
            weight.shape[2], weight.shape[0], bias=bias is not None, **sizes
        )
        return self.layer(ref, layer, [row], weight_and_bias(weight, bias))

    def pool(
        self,
        ref: OperatorRef,
        x: Tensor,
        kind: Any,
        *,
        ceil: bool = False,
        dilation: Pair = (1, 1),
        **sizes: Any,
    ) -> Tensor:
        """Add a pool; ``ceil`` lets the last window stand over the edge."""
        if dilation != (1, 1):
            return self._dilated(ref, x, ceil=ceil, dilation=dilation, **sizes)
        if not ceil and self.is_row(x) and sizes["kernel_size"][0] == 1:
            flat = {pl.MaxPool2D: pl.MaxPool1D, pl.AvgPool2D: pl.AvgPool1D}[kind]
            return self.layer(ref, flat(**_along_row(sizes)), [x])
        image = self.image(ref, x)
        if ceil:
            sizes["padding"] = _with_last_window(image.shape, **sizes)
        return self.layer(ref, kind(**sizes), [image])

    def _dilated(
        self, ref: OperatorRef, x: Tensor, *, ceil: bool, dilation: Pair, **sizes: Any
    ) -> Tensor:
        """Add a max-pool whose windows have gaps."""
        image = self.image(ref, x)
        if ceil:
            reach = zip(sizes["kernel_size"], dilation, strict=True)
            extent = {**sizes, "kernel_size": [(k - 1) * d + 1 for k, d in reach]}
            sizes["padding"] = _with_last_window(image.shape, **extent)
        made = DilatedMaxPool2D(dilation=dilation, **sizes)
        return replace(compose(self, ref, image, made.compose), axes=image.axes)

    def average_with_zeros(
        self, ref: OperatorRef, x: Tensor, *, ceil: bool, padding: Pads, **sizes: Any
    ) -> Tensor:
        """Add an average pool in which the zeros around the image count."""
        image = self.image(ref, x)
        around = padding
        if ceil:
            around = _with_last_window(image.shape, padding=padding, **sizes)
        padded = self.pad(ref.part("pad"), image, padding)
        pairs = zip(around, padding, strict=True)
        (bottom, right) = (whole[1] - zeros[1] for whole, zeros in pairs)
        rest: Pads = ((0, bottom), (0, right))  # which does not count
        return self.layer(ref, pl.AvgPool2D(padding=rest, **sizes), [padded])

    def pool1d(
        self,
        ref: OperatorRef,
        x: Tensor,
        kind: Any,
        window: tuple[int, int, Pair],
        *,
        ceil: bool = False,
        counts_zeros: bool = False,
        dilation: int = 1,
    ) -> Tensor:
        """Add a pool of sequences: of (size, stride, elements around)."""
        row = self.sequence(ref, x)
        size, stride, sides = window
        extent = dilation * (size - 1) + 1
        around = sides
        if ceil:
            around = _last_window(row.shape[0], extent, stride, sides)
        if kind is pl.AvgPool1D and counts_zeros and any(sides):
            both = ((0, 0), sides) if row.axes[1] == 2 else (sides, (0, 0))
            row = relayout.pad(self, ref.part("pad"), row, ((0, 0), *both))
            around = (0, around[1] - sides[1])
        if dilation == 1:
            return self.layer(ref, kind(size, stride, around), [row])
        if kind is not pl.MaxPool1D:
            ref.refuse("have dilation 1", f"{dilation}")
        made = DilatedMaxPool1D(size, stride, around, dilation)
        return replace(compose(self, ref, row, made.compose), axes=row.axes)

    def global_average_1d(self, ref: OperatorRef, x: Tensor) -> Tensor:
        """Average each channel of a sequence: to (N, C)."""
        row = self.sequence(ref, x)
        return self.layer(ref, pl.GlobalAvgPool1D(), [row], axes=(0, 1))

    def global_average(self, ref: OperatorRef, x: Tensor, *, as_image: bool) -> Tensor:
        """Average each channel: to (C,), or to an image of one pixel."""
        x = self.image(ref, x)
        height, width = x.shape[:2]
        if as_image:
            return self.layer(ref, pl.AvgPool2D((height, width)), [x])
        axes = tuple({0: 0, 3: 1}.get(axis) for axis in self.image_axes)
        return self.layer(ref, pl.GlobalAvgPool2D(), [x], axes=axes)

    def global_mean(self, ref: OperatorRef, x: Tensor) -> Tensor:
        """Average each channel: to (N, C) in the file as well."""
        if self.is_row(x):
            return self.layer(ref, pl.GlobalAvgPool1D(), [x], axes=(0, 1))
        return self.vector(self.global_average(ref, x, as_image=False))

    def global_max(self, ref: OperatorRef, x: Tensor, *, as_image: bool) -> Tensor:
        """Keep the largest of each channel: to (C,), or to an image of one pixel."""
        x = self.image(ref, x)
        height, width = x.shape[:2]
        if as_image:
            return self.layer(ref, pl.MaxPool2D((height, width)), [x])
        axes = tuple({0: 0, 3: 1}.get(axis) for axis in self.image_axes)
        return self.layer(ref, pl.GlobalMaxPool2D(), [x], axes=axes)

    def pad(self, ref: OperatorRef, x: Tensor, pads: Pads) -> Tensor:
        """Pad an image with zeros; where pads are negative, crop."""
        if pads == ((0, 0), (0, 0)):
            return x
        image = self.image(ref, x)
        own = {1: pads[0], 2: pads[1]}
        sides = [own.get(axis or 0, (0, 0)) for axis in image.axes]
        return relayout.pad(self, ref, image, sides)

    def fold_crop(self, x: Tensor, sides: Pads) -> Tensor | None:
        """Crop the transposed convolution that has just made x; None if none has.

        The caller knows that nothing else reads x.
        """
        node = self.nodes[x.node]
        if x is not self._latest or not isinstance(node.layer, pl.ConvTranspose2D):
            return None
        (top, bottom), (left, right) = sides
        (above, below), (before, after) = node.layer.pads((1, 1))
        below, after = below + bottom, after + right
        layer = replace(
            node.layer,
            padding=((above + top, max(below, 0)), (before + left, max(after, 0))),
            output_padding=(max(-below, 0), max(-after, 0)),
        )
        self.nodes[x.node] = node.with_layer(layer)
        height, width, channels = x.shape
        shape = (height - top - bottom, width - left - right, channels)
        self._latest = replace(x, shape=shape)
        return self._latest


def _along_row(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a window's sizes along the width alone."""
    return {
        name: value if isinstance(value, int | str) else value[1]
        for name, value in sizes.items()
    }


def _with_last_window(
    shape: Shape, *, kernel_size: Any, stride: Any, padding: Pads
) -> Pads:
    """Return pads that make the output ceil((n + pads − k) / s) + 1.

    A window that would begin in the padding behind the image is left out.
    """
    rows = zip(shape[:2], kernel_size, stride, padding, strict=True)
    top_bottom, left_right = (_last_window(*row) for row in rows)
    return top_bottom, left_right


def _last_window(n: int, k: int, s: int, sides: Pair) -> Pair:
    before, after = sides
    count = -(-(n + before + after - k) // s) + 1
    if (count - 1) * s >= n + before:
        count -= 1
    missing = (count - 1) * s + k - (n + before + after)
    return before, after + max(missing, 0)
