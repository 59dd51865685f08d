"""Pooling layers: max, average and global average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import ShapeError
from pellucid.network import checks, window
from pellucid.network.checks import Pair
from pellucid.network.layers.base import Layer, Shape
from pellucid.network.window import Padding, Pads

DENSE: Pair = (1, 1)


@dataclass(frozen=True)
class _Pool(Layer):
    """What both pools are given, and their checks."""

    kernel_size: int | Pair = 2
    stride: int | Pair | None = None
    padding: Padding = "valid"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        put(self, "kernel_size", checks.pair(who, "kernel_size", self.kernel_size))
        stride = self.kernel_size if self.stride is None else self.stride
        put(self, "stride", checks.pair(who, "stride", stride))
        put(self, "padding", window.padding(who, self.padding))

    @property
    def kernel(self) -> Pair:
        """Window height and width."""
        return self.kernel_size  # type: ignore[return-value]

    @property
    def strides(self) -> Pair:
        """Vertical and horizontal stride."""
        return self.stride  # type: ignore[return-value]

    def pads(self, size: Pair) -> Pads:
        """Return the cells around an image of that (height, width)."""
        return window.pads(self.padding, size, self.kernel, self.strides, DENSE)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (height, width, channels)."""
        (shape,) = inputs
        checks.rank(self.who, shape, 3)
        size = shape[0], shape[1]
        around = self.pads(size)
        if any(max(p) >= k for p, k in zip(around, self.kernel, strict=True)):
            raise ShapeError(
                f"{self.who}: padding must be smaller than the window; "
                f"got padding={around}, kernel_size={self.kernel}."
            )
        height, width = window.output_size(
            self.who, size, around, self.kernel, self.strides, DENSE
        )
        return height, width, shape[2]


@dataclass(frozen=True)
class MaxPool2D(_Pool):
    """Keep the largest value of each window; of equal ones the first.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Window height and width.
    stride : int or (int, int), optional
        The window's own size where it is left out.
    padding : as in Conv2D
        Cells around the image count as −∞.
    name : str, optional
        Node name.
    """

    stem: ClassVar[str] = "max_pool2d"


@dataclass(frozen=True)
class AvgPool2D(_Pool):
    """Average each window over its valid cells; padding does not count.

    The parameters are MaxPool2D's.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        The kernel size if left out.
    padding : as in MaxPool2D
        It does not count.
    name : str, optional
        Node name.
    """

    stem: ClassVar[str] = "avg_pool2d"


@dataclass(frozen=True)
class GlobalAvgPool2D(Layer):
    """Average each channel over the whole image: (H, W, C) → (C,)."""

    stem: ClassVar[str] = "global_avg_pool2d"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (channels,)."""
        checks.rank(self.who, inputs[0], 3)
        return (inputs[0][2],)


@dataclass(frozen=True)
class GlobalMaxPool2D(Layer):
    """Keep the largest value of each channel: (H, W, C) → (C,).

    Of equal ones the first takes the derivative.
    """

    stem: ClassVar[str] = "global_max_pool2d"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (channels,)."""
        checks.rank(self.who, inputs[0], 3)
        return (inputs[0][2],)

    def window(self, shape: Shape) -> MaxPool2D:
        """Return the pool whose one window is the whole image.

        Parameters
        ----------
        shape : tuple of int
            (height, width, channels) of the input.

        Returns
        -------
        MaxPool2D
            An equal pool.
        """
        return MaxPool2D((shape[0], shape[1]), name=self.name)
