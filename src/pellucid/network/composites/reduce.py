"""Reductions over chosen axes: mean, sum, maximum, minimum and norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.composites.base import Composer, Composite, T
from pellucid.network.expression import math
from pellucid.network.layers import (
    Add,
    AvgPool1D,
    AvgPool2D,
    Elementwise,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    Layer,
    MaxPool1D,
    MaxPool2D,
    Rescale,
    Reshape,
    Shape,
    Subtract,
)

Axes = int | tuple[int, ...] | None


@dataclass(frozen=True)
class Reduction(Composite):
    """Combine all elements along some axes to one.

    Parameters
    ----------
    axis : int or tuple of int, optional
        The axes, the batch not counted: 0 is the height of an image, −1 the channels.
        All where it is left out.
    keepdims : bool
        Keep the axes, with length 1. A value of which no axis is left has one of
        length 1.
    """

    axis: Axes = None
    keepdims: bool = False

    def __post_init__(self) -> None:
        checks.boolean(self.who, "keepdims", self.keepdims)
        axes = self.axis
        axes = tuple(axes) if isinstance(axes, list | tuple) else axes
        given = axes if isinstance(axes, tuple) else (axes,)
        if axes is not None and (not given or not all(map(checks.is_int, given))):
            raise NetworkError(
                f"{self.who}: axis must be an int, several of them or None; "
                f"got axis={self.axis!r}."
            )
        object.__setattr__(self, "axis", axes)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Return the axes that are reduced, counted from the front, in order.

        Parameters
        ----------
        rank : int
            Axes of the input, without the batch.

        Returns
        -------
        tuple of int
            Each once.

        Raises
        ------
        ShapeError
            If the input has no such axis, or one is named twice.
        """
        if self.axis is None:
            return tuple(range(rank))
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = [checks.axis(self.who, axis, rank) for axis in given]
        if len(set(axes)) != len(axes):
            raise ShapeError(
                f"{self.who}: axis must name each axis once; got axis={self.axis!r}."
            )
        return tuple(sorted(axes))

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place a pool over the axes, and what comes before and behind it."""
        shape = composer.shape(x)
        axes = self.axes(len(shape))
        x = _apply(composer, self.before(), x)
        y = self.reduce(composer, x, axes)
        y = _apply(composer, self.behind(prod(shape[a] for a in axes)), y)
        kept = tuple(1 if a in axes else n for a, n in enumerate(shape))
        left = tuple(n for a, n in enumerate(shape) if a not in axes) or (1,)
        wanted = kept if self.keepdims else left
        if composer.shape(y) == wanted:
            return y
        return composer.add(Reshape(wanted), y)

    def reduce(self, composer: Composer[T], x: T, axes: tuple[int, ...]) -> T:
        """Place the pools; the shape of what they give has as many elements."""
        return pool(composer, x, axes, _AVERAGE, is_dropped=not self.keepdims)

    def before(self) -> Layer | None:
        """Return the layer in front of the pools, if there is one."""
        return None

    def behind(self, count: int) -> Layer | None:
        """Return the layer behind the pools, which have joined that many elements."""
        del count
        return None


@dataclass(frozen=True)
class ReduceMean(Reduction):
    """Average over axes.

    Parameters
    ----------
    axis : int or tuple of int, optional
        The axes, the batch not counted: 0 is the height of an image, −1 the channels.
        All where it is left out.
    keepdims : bool
        Keep the axes, with length 1.
    name : str, optional
        Name of the last node.

    Examples
    --------
    >>> import pellucid as pl
    >>> image = pl.Input(8, 8, 16)
    >>> channels = pl.ReduceMean(-1, keepdims=True)(image)  # as spatial attention does
    >>> pl.Network(inputs=image, outputs=channels).output_shape
    (8, 8, 1)
    """

    stem: ClassVar[str] = "reduce_mean"


@dataclass(frozen=True)
class ReduceSum(Reduction):
    """Sum over axes: the mean times the number of elements.

    Parameters
    ----------
    axis, keepdims, name
        As in ReduceMean.
    """

    stem: ClassVar[str] = "reduce_sum"

    def behind(self, count: int) -> Layer | None:
        """Undo the division of the mean."""
        return Rescale(float(count)) if count > 1 else None


@dataclass(frozen=True)
class ReduceMax(Reduction):
    """Keep the largest element along axes; of equal ones the first.

    Parameters
    ----------
    axis, keepdims, name
        As in ReduceMean.
    """

    stem: ClassVar[str] = "reduce_max"

    def reduce(self, composer: Composer[T], x: T, axes: tuple[int, ...]) -> T:
        """Place max-pools."""
        return pool(composer, x, axes, _MAXIMUM, is_dropped=not self.keepdims)


@dataclass(frozen=True)
class ReduceMin(ReduceMax):
    """Keep the smallest element along axes; of equal ones the first.

    Parameters
    ----------
    axis, keepdims, name
        As in ReduceMean.
    """

    stem: ClassVar[str] = "reduce_min"

    def before(self) -> Layer | None:
        """Change the sign."""
        return Rescale(-1.0)

    def behind(self, count: int) -> Layer | None:
        """Change it back."""
        return Rescale(-1.0)


@dataclass(frozen=True)
class ReduceL1(ReduceSum):
    """Sum the absolute values along axes.

    Parameters
    ----------
    axis, keepdims, name
        As in ReduceMean.
    """

    stem: ClassVar[str] = "reduce_l1"

    def before(self) -> Layer | None:
        """Take the absolute value."""
        return Elementwise(math.abs)


@dataclass(frozen=True)
class ReduceSumSquare(ReduceSum):
    """Sum the squares along axes.

    Parameters
    ----------
    axis, keepdims, name
        As in ReduceMean.
    """

    stem: ClassVar[str] = "reduce_sum_square"

    def before(self) -> Layer | None:
        """Square."""
        return Elementwise(lambda x: x * x)


@dataclass(frozen=True)
class ReduceL2(ReduceSumSquare):
    """Take the Euclidean norm along axes: the root of the sum of squares.

    Its derivative has no limit at 0.

    Parameters
    ----------
    axis, keepdims, name
        As in ReduceMean.
    """

    stem: ClassVar[str] = "reduce_l2"

    def behind(self, count: int) -> Layer | None:
        """Take the root of the sum."""
        return Elementwise(lambda x: math.sqrt(x * float(count)))


@dataclass(frozen=True)
class ReduceLogSumExp(Reduction):
    """Take ``ln Σ exp(x)`` along axes, without overflow.

    Parameters
    ----------
    axis, keepdims, name
        As in ReduceMean.
    """

    stem: ClassVar[str] = "reduce_log_sum_exp"

    def compose(self, composer: Composer[T], x: T) -> T:
        """``max + ln Σ exp(x − max)``."""
        axes = self.axes(len(composer.shape(x)))
        top = ReduceMax(axes, True).compose(composer, x)
        shifted = composer.add(Elementwise(math.exp), composer.add(Subtract(), x, top))
        rest = composer.add(
            Elementwise(math.log), ReduceSum(axes, True).compose(composer, shifted)
        )
        y = composer.add(Add(), rest, top)
        return _squeeze(composer, y, axes, self.keepdims)


@dataclass(frozen=True)
class ReduceVariance(Reduction):
    """Take the mean squared distance from the mean along axes.

    Parameters
    ----------
    axis, keepdims
        As in ReduceMean.
    correction : int
        Subtracted from the number of elements that the sum is divided by: 1 gives
        the unbiased variance.
    name : str, optional
        Name of the last node.
    """

    correction: int = 0

    stem: ClassVar[str] = "reduce_variance"

    def compose(self, composer: Composer[T], x: T) -> T:
        """``Σ (x − mean)² / (n − correction)``."""
        shape = composer.shape(x)
        axes = self.axes(len(shape))
        count = prod(shape[a] for a in axes)
        if not 0 <= self.correction < count:
            raise ShapeError(
                f"{self.who}: correction must be at least 0 and less than the number "
                f"of elements; got correction={self.correction} of {count}."
            )
        mean = ReduceMean(axes, True).compose(composer, x)
        apart = composer.add(Subtract(), x, mean)
        squares = composer.add(Elementwise(lambda x: x * x), apart)
        y = ReduceMean(axes, True).compose(composer, squares)
        factor = count / (count - self.correction)
        y = _apply(composer, None if factor == 1 else Rescale(factor), y)
        return _squeeze(composer, y, axes, self.keepdims)


def _squeeze(composer: Composer[T], x: T, axes: tuple[int, ...], keepdims: bool) -> T:
    shape = composer.shape(x)
    left = tuple(n for a, n in enumerate(shape) if a not in axes) or (1,)
    return x if keepdims or left == shape else composer.add(Reshape(left), x)


def _apply(composer: Composer[T], layer: Layer | None, x: T) -> T:
    return x if layer is None else composer.add(layer, x)


@dataclass(frozen=True, slots=True)
class _Pools:
    """The pools of one kind: of images, of sequences, and over all of them."""

    image: Callable[[Any], Layer]
    sequence: Callable[[int], Layer]
    whole: Callable[[], Layer]
    whole_sequence: Callable[[], Layer] | None


_AVERAGE = _Pools(AvgPool2D, AvgPool1D, GlobalAvgPool2D, GlobalAvgPool1D)
_MAXIMUM = _Pools(MaxPool2D, MaxPool1D, GlobalMaxPool2D, None)


def pool(
    composer: Composer[T],
    x: T,
    axes: tuple[int, ...],
    pools: _Pools,
    *,
    is_dropped: bool,
) -> T:
    """Pool over whole axes; where they are not an image's own, under another shape.

    ``is_dropped`` allows the layers that drop the axes.
    """
    shape = composer.shape(x)
    axes = tuple(axis for axis in axes if shape[axis] > 1)
    if not axes:
        return x
    if len(shape) == 3 and 2 not in axes:
        if axes == (0, 1) and is_dropped:
            return composer.add(pools.whole(), x)
        size = tuple(shape[a] if a in axes else 1 for a in (0, 1))
        return composer.add(pools.image(size), x)
    if len(shape) == 2 and axes == (0,):
        if is_dropped and pools.whole_sequence is not None:
            return composer.add(pools.whole_sequence(), x)
        return composer.add(pools.sequence(shape[0]), x)
    for first, last in reversed(_runs(axes)):  # of the last axes first: ties in order
        x = _pool_run(composer, x, first, last, pools)
    return x


def _pool_run(composer: Composer[T], x: T, first: int, last: int, pools: _Pools) -> T:
    """Pool over neighbouring axes: the width of an image of three parts."""
    shape = composer.shape(x)
    count = prod(shape[first : last + 1])
    parts = prod(shape[:first]), count, prod(shape[last + 1 :])
    image = x if shape == parts else composer.add(Reshape(parts), x)
    y = composer.add(pools.image((1, count)), image)
    ones: Shape = (1,) * (last + 1 - first)
    kept = (*shape[:first], *ones, *shape[last + 1 :])
    return y if composer.shape(y) == kept else composer.add(Reshape(kept), y)


def _runs(axes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return (first, last) of each run of neighbouring axes."""
    runs: list[tuple[int, int]] = []
    for axis in axes:
        if runs and runs[-1][1] == axis - 1:
            runs[-1] = runs[-1][0], axis
        else:
            runs.append((axis, axis))
    return runs
