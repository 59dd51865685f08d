"""Recognize a decomposed local response norm.

PyTorch has no operator of it: ``x / (k + alpha · mean of x² over channels)^beta`` is
exported as a square, a pool over channels (the image seen as a volume), and
arithmetic. While it is read, its parts are `Squares`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import BATCH, Tensor

_PART = "be a part of a local response norm"


@dataclass(frozen=True, slots=True)
class Squares:
    """``(bias + alpha · mean of x²)^beta``, as far as it has come.

    ``is_volume``: seen as (N, 1, C, H, W); ``reach``: zeros on either side of the
    channels; ``size``: channels that were averaged. None: not yet.
    """

    x: Tensor
    is_volume: bool = False
    reach: int | None = None
    size: int | None = None
    alpha: float = 1.0
    bias: float | None = None
    beta: float | None = None

    @property
    def foreign_shape(self) -> tuple[int, ...]:
        """The shape, as the file has it."""
        batch, channels, *size = self.x.foreign_shape
        more = 2 * (self.reach or 0) if self.size is None else 0
        return (batch, *([1] * self.is_volume), channels + more, *size)

    @property
    def _is_mean(self) -> bool:
        return self.size is not None and not self.is_volume

    def reshape(
        self, ref: OperatorRef, shape: Sequence[int], batch: int | None
    ) -> Squares:
        """See the image as a volume of one channel, or the volume as an image."""
        first, *rest = self.x.foreign_shape
        image, volume = [first, *rest], [first, 1, *rest]
        sizes = list(shape)
        if sizes and sizes[0] in (-1, 0, batch):
            sizes[0] = BATCH
        for target in (image, volume):
            alike = [n in (-1, m) for n, m in zip(sizes, target, strict=False)]
            if len(sizes) == len(target) and all(alike):
                is_whole = self.reach is None or self.size is not None
                if is_whole and self.bias is None:
                    return replace(self, is_volume=target is volume)
        ref.refuse(_PART, f"shape={list(shape)}")

    def pad(self, ref: OperatorRef, before: int, after: int) -> Squares:
        """Put zeros around the channels."""
        if before != after or not self.is_volume or self.reach is not None:
            ref.refuse(f"{_PART} of an odd size", f"zeros {before}, {after}")
        return replace(self, reach=before)

    def average(
        self, ref: OperatorRef, kernel: Sequence[int], strides: object
    ) -> Squares:
        """Average over the channels."""
        size = kernel[0] if len(kernel) == 3 else 0
        is_plain = list(kernel) == [size, 1, 1] and strides == [1, 1, 1]
        if not is_plain or self.reach is None or size != 2 * self.reach + 1:
            ref.refuse(_PART, f"a pool of {list(kernel)}")
        return replace(self, size=size)

    def times(self, ref: OperatorRef, number: float) -> Squares:
        """Multiply by alpha."""
        if not self._is_mean or self.bias is not None:
            ref.refuse(_PART, f"a factor {number:g}")
        return replace(self, alpha=self.alpha * number)

    def plus(self, ref: OperatorRef, number: float) -> Squares:
        """Add the bias."""
        if not self._is_mean or self.beta is not None:
            ref.refuse(_PART, f"{number:g} added")
        return replace(self, bias=(self.bias or 0.0) + number)

    def power(self, ref: OperatorRef, number: float) -> Squares:
        """Raise to beta."""
        if self.bias is None or self.beta is not None:
            ref.refuse(_PART, f"the power {number:g}")
        return replace(self, beta=number)

    def divide(self, ref: OperatorRef, x: Tensor, builder: NetworkBuilder) -> Tensor:
        """End: x divided by it is the layer."""
        if self.beta is None or self.size is None or self.bias is None:
            ref.refuse(_PART, "a division by something else")
        if x.node != self.x.node or not x.same_layout(self.x):
            ref.refuse(_PART, f"another value divided, '{x.node}'")
        return builder.local_response_norm(
            ref,
            x,
            axis=1,
            size=self.size,
            alpha=self.alpha,
            beta=self.beta,
            bias=self.bias,
        )


def square(x: Tensor, other: Tensor, is_averaged: bool) -> Squares | None:
    """Begin, where an image is multiplied by itself, and channels of it are averaged.

    ``is_averaged`` says that only what can average channels reads it.
    """
    is_same = x.node == other.node and x.same_layout(other)
    is_image = len(x.foreign_shape) == 4
    return Squares(x) if is_same and is_averaged and is_image else None
