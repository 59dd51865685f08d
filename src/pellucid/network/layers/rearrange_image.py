"""Layers that only move elements of images: crop, pad channels, pixel shuffles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks, window
from pellucid.network.layers.base import Shape
from pellucid.network.layers.rearrange import Rearrangement
from pellucid.network.rearrangement import (
    PadStep,
    PermuteStep,
    ReshapeStep,
    SliceStep,
    Steps,
)
from pellucid.network.window import Pads

Order = Literal["DCR", "CRD"]


@dataclass(frozen=True)
class Crop2D(Rearrangement):
    """Cut rows and columns off the sides of an image.

    Parameters
    ----------
    cropping : int or ((top, bottom), (left, right))
        Rows and columns that are left out.
    """

    cropping: int | Pads = 1

    stem: ClassVar[str] = "crop2d"

    def __post_init__(self) -> None:
        try:
            cropping = window.padding(self.who, self.cropping)
        except NetworkError:
            cropping = "valid"  # refused below, by this argument's name
        if isinstance(cropping, str):
            raise NetworkError(
                f"{self.who}: cropping must be an int of at least 0 or ((top, bottom), "
                f"(left, right)); got cropping={self.cropping!r}."
            )
        object.__setattr__(self, "cropping", cropping)

    @property
    def sides(self) -> Pads:
        """((top, bottom), (left, right))."""
        one = (1, 1)
        return window.pads(self.cropping, one, one, one, one)

    def steps(self, shape: Shape) -> Steps:
        """Return one slice of rows and columns."""
        checks.rank(self.who, shape, 3)
        (top, bottom), (left, right) = self.sides
        sizes = shape[0] - top - bottom, shape[1] - left - right, shape[2]
        if min(sizes) < 1:
            raise ShapeError(
                f"{self.who}: cropping must leave at least one pixel; got "
                f"cropping={self.sides} of {shape[0]}×{shape[1]}."
            )
        return (SliceStep((top, left, 0), sizes, (1, 1, 1)),)


@dataclass(frozen=True)
class PadChannels(Rearrangement):
    """Put zeros before and behind the channels.

    A layer of its own beside `ZeroPad2D`, which stays what every framework's padding
    of images is: files with it, and what formats call it, are as they were. This one
    takes any number of axes, as the channels are always the last.

    Parameters
    ----------
    before, after : int
        Channels of zeros in front of the input's and behind them.

    Examples
    --------
    >>> PadChannels(after=8).output_shape((16, 16, 24))  # a narrower shortcut
    (16, 16, 32)
    """

    before: int = 0
    after: int = 0

    stem: ClassVar[str] = "pad_channels"

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            value = checks.integer(self.who, name, getattr(self, name), minimum=0)
            object.__setattr__(self, name, value)

    def steps(self, shape: Shape) -> Steps:
        """Return the padding of the last axis."""
        around = (*((0, 0),) * (len(shape) - 1), (self.before, self.after))
        return (PadStep(around),)


@dataclass(frozen=True)
class _Blocks(Rearrangement):
    """Blocks of pixels and channels that take each other's place."""

    block_size: int = 2
    order: Order = "DCR"

    def __post_init__(self) -> None:
        size = checks.integer(self.who, "block_size", self.block_size)
        object.__setattr__(self, "block_size", size)
        if self.order not in ("DCR", "CRD"):
            raise NetworkError(
                f"{self.who}: order must be 'DCR' or 'CRD'; got order={self.order!r}."
            )


@dataclass(frozen=True)
class DepthToSpace(_Blocks):
    """Lay b² channels out as b × b pixels: (H, W, b²·C) → (b·H, b·W, C).

    Parameters
    ----------
    block_size : int
        Pixels b along each side of a block.
    order : {"DCR", "CRD"}
        Which input channel pixel (u, v) of channel c comes from, as ONNX names it:
        depth, column, row: ``(u·b + v)·C + c``, as in TensorFlow; or column, row,
        depth: ``c·b² + u·b + v``, as in PyTorch's PixelShuffle.
    """

    stem: ClassVar[str] = "depth_to_space"

    def steps(self, shape: Shape) -> Steps:
        """Return: split the channels, bring u to the rows and v to the columns."""
        checks.rank(self.who, shape, 3)
        b, (height, width, depth) = self.block_size, shape
        channels = depth // (b * b)
        if depth % (b * b):
            raise ShapeError(
                f"{self.who}: channels must be a multiple of block_size²; got {depth} "
                f"channels, block_size={b}."
            )
        is_depth_first = self.order == "DCR"
        split = (b, b, channels) if is_depth_first else (channels, b, b)
        axes = (0, 2, 1, 3, 4) if is_depth_first else (0, 3, 1, 4, 2)
        return (
            ReshapeStep((height, width, *split)),
            PermuteStep(axes),
            ReshapeStep((height * b, width * b, channels)),
        )


@dataclass(frozen=True)
class SpaceToDepth(_Blocks):
    """Lay b × b pixels out as b² channels: (b·H, b·W, C) → (H, W, b²·C).

    Undoes `DepthToSpace` of the same order.

    Parameters
    ----------
    block_size : int
        Pixels b along each side of a block.
    order : {"DCR", "CRD"}
        Where pixel (u, v) of channel c goes: ``(u·b + v)·C + c``, as in ONNX and
        TensorFlow; or ``c·b² + u·b + v``, as in PyTorch's PixelUnshuffle.
    """

    stem: ClassVar[str] = "space_to_depth"

    def steps(self, shape: Shape) -> Steps:
        """Return: split rows and columns, bring u and v to the channels."""
        checks.rank(self.who, shape, 3)
        b, (height, width, channels) = self.block_size, shape
        if height % b or width % b:
            raise ShapeError(
                f"{self.who}: height and width must be multiples of block_size; got "
                f"{height}×{width}, block_size={b}."
            )
        axes = (0, 2, 1, 3, 4) if self.order == "DCR" else (0, 2, 4, 1, 3)
        return (
            ReshapeStep((height // b, b, width // b, b, channels)),
            PermuteStep(axes),
            ReshapeStep((height // b, width // b, b * b * channels)),
        )


@dataclass(frozen=True)
class ChannelShuffle(Rearrangement):
    """Deal the channels of groups out in turn (Zhang et al. 2017).

    Parameters
    ----------
    groups : int
        Groups g of neighbouring channels; of C channels, output channel ``k·g + i``
        is input channel ``i·C/g + k``.
    """

    groups: int

    stem: ClassVar[str] = "channel_shuffle"

    def __post_init__(self) -> None:
        groups = checks.integer(self.who, "groups", self.groups)
        object.__setattr__(self, "groups", groups)

    def steps(self, shape: Shape) -> Steps:
        """Return: channels as a matrix of groups, transposed."""
        checks.rank(self.who, shape, 3)
        height, width, channels = shape
        if channels % self.groups:
            raise ShapeError(
                f"{self.who}: channels must be a multiple of groups; got {channels} "
                f"channels, groups={self.groups}."
            )
        return (
            ReshapeStep((height, width, self.groups, channels // self.groups)),
            PermuteStep((0, 1, 3, 2)),
            ReshapeStep(shape),
        )
