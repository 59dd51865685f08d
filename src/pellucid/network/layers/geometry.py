"""Layers that rearrange elements: flatten, zero padding, upsampling."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

from pellucid.errors import NetworkError
from pellucid.network import checks, window
from pellucid.network.checks import Pair
from pellucid.network.layers.base import Layer, Shape
from pellucid.network.window import Padding, Pads


@dataclass(frozen=True)
class Flatten(Layer):
    """Lay an image out as one row: (H, W, C) → (H·W·C,), channels fastest."""

    stem: ClassVar[str] = "flatten"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (number of values,)."""
        return (prod(inputs[0]),)


@dataclass(frozen=True)
class ZeroPad2D(Layer):
    """Put zeros around the image.

    Parameters
    ----------
    padding : int or ((top, bottom), (left, right))
        Rows and columns of zeros.
    """

    padding: Padding = 1

    stem: ClassVar[str] = "zero_pad2d"

    def __post_init__(self) -> None:
        if isinstance(self.padding, str):
            raise NetworkError(
                f"{self.who}: padding must be an int or ((top, bottom), (left, "
                f"right)); got padding={self.padding!r}."
            )
        object.__setattr__(self, "padding", window.padding(self.who, self.padding))

    @property
    def sides(self) -> Pads:
        """((top, bottom), (left, right))."""
        return window.pads(self.padding, (1, 1), (1, 1), (1, 1), (1, 1))

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the padded (height, width, channels)."""
        checks.rank(self.who, inputs[0], 3)
        height, width, channels = inputs[0]
        vertical, horizontal = self.sides
        return height + sum(vertical), width + sum(horizontal), channels


@dataclass(frozen=True)
class Upsample2D(Layer):
    """Enlarge the image by whole factors.

    Parameters
    ----------
    scale : int or (int, int)
        Factors of height and width.
    mode : {"nearest", "bilinear"}
        Repeat pixels, or interpolate between their centres (half-pixel
        coordinates; outside the outermost centres the edge is repeated).
    """

    scale: int | Pair = 2
    mode: Literal["nearest", "bilinear"] = "nearest"

    stem: ClassVar[str] = "upsample2d"

    def __post_init__(self) -> None:
        scale = checks.pair(self.who, "scale", self.scale)
        object.__setattr__(self, "scale", scale)
        if self.mode not in ("nearest", "bilinear"):
            raise NetworkError(
                f"{self.who}: mode must be 'nearest' or 'bilinear'; "
                f"got mode={self.mode!r}."
            )

    @property
    def factors(self) -> Pair:
        """Vertical and horizontal factor."""
        return self.scale  # type: ignore[return-value]

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the enlarged (height, width, channels)."""
        checks.rank(self.who, inputs[0], 3)
        height, width, channels = inputs[0]
        return height * self.factors[0], width * self.factors[1], channels
