"""Pools to a given size, pools of dilated windows, and a sequence's maximum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import ShapeError
from pellucid.network import checks, window
from pellucid.network.checks import Pair
from pellucid.network.composites.base import Composer, Composite, T
from pellucid.network.composites.padding import join, pad
from pellucid.network.composites.reduce import ReduceMax
from pellucid.network.layers import (
    AvgPool1D,
    AvgPool2D,
    Layer,
    Maximum,
    MaxPool1D,
    MaxPool2D,
    Slice,
)
from pellucid.network.window import Padding

LOWEST = -3.4028234663852886e38  # of float32: what a maximum does not see


@dataclass(frozen=True)
class _Adaptive(Composite):
    """What pools to a given size have in common."""

    output_size: int | Pair = 1

    image_pool: ClassVar[Callable[..., Layer]]

    def __post_init__(self) -> None:
        size = checks.pair(self.who, "output_size", self.output_size)
        object.__setattr__(self, "output_size", size)

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place one pool where the sizes divide, else one for each bin."""
        shape = composer.shape(x)
        checks.rank(self.who, shape, 3)
        rows, columns = self.output_size  # type: ignore[misc]
        kind = type(self).image_pool
        if shape[0] % rows == 0 and shape[1] % columns == 0:
            size = shape[0] // rows, shape[1] // columns
            return x if size == (1, 1) else composer.add(kind(size), x)
        x = pool_bins(composer, x, 1, columns, lambda n: kind((1, n)))
        return pool_bins(composer, x, 0, rows, lambda n: kind((n, 1)))


@dataclass(frozen=True)
class AdaptiveAvgPool2D(_Adaptive):
    """Average an image in as many bins as the output has pixels.

    Parameters
    ----------
    output_size : int or (int, int)
        Height and width of the output.
    name : str, optional
        Name of the last node.

    Notes
    -----
    Bin i of m along n pixels is ``⌊i · n / m⌋ … ⌈(i + 1) · n / m⌉`` without its end,
    as in PyTorch: where n is no multiple of m, bins overlap.

    Examples
    --------
    >>> import pellucid as pl
    >>> image = pl.Input(13, 13, 8)
    >>> y = pl.AdaptiveAvgPool2D(6)(image)
    >>> pl.Network(inputs=image, outputs=y).output_shape
    (6, 6, 8)
    """

    stem: ClassVar[str] = "adaptive_avg_pool2d"
    image_pool = AvgPool2D


@dataclass(frozen=True)
class AdaptiveMaxPool2D(_Adaptive):
    """Keep the largest pixel in each of as many bins as the output has pixels.

    Parameters
    ----------
    output_size, name
        As in AdaptiveAvgPool2D, and so are the bins.
    """

    stem: ClassVar[str] = "adaptive_max_pool2d"
    image_pool = MaxPool2D


@dataclass(frozen=True)
class _Adaptive1D(Composite):
    output_size: int = 1

    sequence_pool: ClassVar[Callable[..., Layer]]

    def __post_init__(self) -> None:
        checks.integer(self.who, "output_size", self.output_size)

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place one pool where the sizes divide, else one for each bin."""
        length = composer.shape(x)[0]
        checks.rank(self.who, composer.shape(x), 2)
        kind, m = type(self).sequence_pool, self.output_size
        if length % m == 0:
            return x if length == m else composer.add(kind(length // m), x)
        return pool_bins(composer, x, 0, m, kind)


@dataclass(frozen=True)
class AdaptiveAvgPool1D(_Adaptive1D):
    """Average a sequence in as many bins as the output has elements.

    Parameters
    ----------
    output_size : int
        Length of the output.
    name : str, optional
        Name of the last node.
    """

    stem: ClassVar[str] = "adaptive_avg_pool1d"
    sequence_pool = AvgPool1D


@dataclass(frozen=True)
class AdaptiveMaxPool1D(_Adaptive1D):
    """Keep the largest element in each of as many bins as the output has elements.

    Parameters
    ----------
    output_size, name
        As in AdaptiveAvgPool1D.
    """

    stem: ClassVar[str] = "adaptive_max_pool1d"
    sequence_pool = MaxPool1D


def bins(n: int, m: int) -> list[Pair]:
    """Return first and one past the last of m bins of n elements, as PyTorch has them.

    Parameters
    ----------
    n, m : int
        Elements, bins.

    Returns
    -------
    list of (int, int)
        At least one element each.
    """
    return [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]


def pool_bins(
    composer: Composer[T], x: T, axis: int, m: int, kind: Callable[[int], Layer]
) -> T:
    """Pool each bin of an axis and join what they give."""
    n = composer.shape(x)[axis]
    if n == m:
        return x
    parts = []
    for first, last in bins(n, m):
        part = composer.add(Slice(first, last, axis=axis), x)
        parts.append(
            part if last - first == 1 else composer.add(kind(last - first), part)
        )
    return join(composer, parts, axis)


@dataclass(frozen=True)
class DilatedMaxPool2D(Composite):
    """Keep the largest of each window's pixels, which lie apart from each other.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Rows and columns of the window.
    stride : int or (int, int), optional
        The window's own size where it is left out.
    padding : as in MaxPool2D
        Cells around the image never win.
    dilation : int or (int, int)
        Distance of neighbouring pixels of a window.
    name : str, optional
        Name of the last node.
    """

    kernel_size: int | Pair = 2
    stride: int | Pair | None = None
    padding: Padding = "valid"
    dilation: int | Pair = 1

    stem: ClassVar[str] = "dilated_max_pool2d"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        put(self, "kernel_size", checks.pair(who, "kernel_size", self.kernel_size))
        stride = self.kernel_size if self.stride is None else self.stride
        put(self, "stride", checks.pair(who, "stride", stride))
        put(self, "dilation", checks.pair(who, "dilation", self.dilation))
        put(self, "padding", window.padding(who, self.padding))

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place strided slices of rows and columns, and their maxima."""
        shape = composer.shape(x)
        checks.rank(self.who, shape, 3)
        kernel, stride, dilation = (
            checks.pair(self.who, "window", n)
            for n in (self.kernel_size, self.stride, self.dilation)
        )
        size = shape[0], shape[1]
        around = window.pads(self.padding, size, kernel, stride, dilation)
        for n, pair, d, k in zip(size, around, dilation, kernel, strict=True):
            if n + sum(pair) < d * (k - 1) + 1:
                raise ShapeError(
                    f"{self.who}: input must be at least as large as the window; got "
                    f"{size} with padding={around}, kernel_size={kernel}, "
                    f"dilation={dilation}."
                )
        sides = dict(enumerate(around))
        x = pad(composer, x, sides, "constant", LOWEST, who=self.who)
        for axis in (1, 0):  # columns first: of equal ones the first in reading order
            x = _largest(
                composer, x, axis, (kernel[axis], stride[axis], dilation[axis])
            )
        return x


@dataclass(frozen=True)
class DilatedMaxPool1D(Composite):
    """Keep the largest of each window's elements, which lie apart from each other.

    Parameters
    ----------
    kernel_size : int
        Elements of the window.
    stride : int, optional
        The window's own size where it is left out.
    padding : (int, int)
        Elements before and after the sequence, which never win.
    dilation : int
        Distance of neighbouring elements of a window.
    name : str, optional
        Name of the last node.
    """

    kernel_size: int = 2
    stride: int | None = None
    padding: Pair = (0, 0)
    dilation: int = 1

    stem: ClassVar[str] = "dilated_max_pool1d"

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        stride = self.kernel_size if self.stride is None else self.stride
        put(self, "stride", stride)
        for name in ("kernel_size", "stride", "dilation"):
            checks.integer(who, name, getattr(self, name))
        put(self, "padding", checks.pair(who, "padding", self.padding, minimum=0))

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place strided slices, and their maximum."""
        checks.rank(self.who, composer.shape(x), 2)
        length, k, d = composer.shape(x)[0], self.kernel_size, self.dilation
        if length + sum(self.padding) < d * (k - 1) + 1:
            raise ShapeError(
                f"{self.who}: input must be at least as long as the window; got "
                f"{length} with padding={self.padding}, kernel_size={k}, dilation={d}."
            )
        x = pad(composer, x, {0: self.padding}, "constant", LOWEST, who=self.who)
        return _largest(composer, x, 0, (k, self.stride or k, d))


def _largest(
    composer: Composer[T], x: T, axis: int, window_: tuple[int, int, int]
) -> T:
    """Keep the largest of k elements at distances of an axis, every s-th window."""
    k, s, d = window_
    n = composer.shape(x)[axis]
    count = (n - d * (k - 1) - 1) // s + 1
    taps = []
    for u in range(k):
        start = u * d
        taken = Slice(start, start + (count - 1) * s + 1, s, axis=axis)
        taps.append(composer.add(taken, x))
    return taps[0] if k == 1 else composer.add(Maximum(), *taps)


@dataclass(frozen=True)
class GlobalMaxPool1D(Composite):
    """Keep the largest value of each channel of a sequence: (L, C) → (C,).

    Parameters
    ----------
    name : str, optional
        Name of the last node.
    """

    stem: ClassVar[str] = "global_max_pool1d"

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place a pool as long as the sequence."""
        checks.rank(self.who, composer.shape(x), 2)
        return ReduceMax(0).compose(composer, x)
