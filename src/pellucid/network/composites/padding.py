"""Padding by what the input holds, or by a number: reflected, repeated, wrapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks, window
from pellucid.network.checks import Pair
from pellucid.network.composites.base import Composer, Composite, T
from pellucid.network.layers import (
    Concat,
    PadChannels,
    Rescale,
    Reshape,
    Shape,
    Slice,
    Upsample2D,
    ZeroPad2D,
)
from pellucid.network.layers.one_dimensional import Padding1D
from pellucid.network.window import Padding, Pads

Mode = Literal["constant", "reflect", "symmetric", "edge", "circular"]
_FEW = 8  # mirrored rows that are taken one by one
MODES = ("constant", "reflect", "symmetric", "edge", "circular")


@dataclass(frozen=True)
class Pad2D(Composite):
    """Surround an image by its own pixels, or by a number.

    Parameters
    ----------
    padding : int or ((top, bottom), (left, right))
        Rows and columns that are added.
    mode : {"constant", "reflect", "symmetric", "edge", "circular"}
        A number; the image mirrored at its outermost pixels, which are not repeated
        ("reflect") or are ("symmetric"); the outermost pixels repeated; the opposite
        side of the image.
    value : float
        The number, of mode "constant".
    name : str, optional
        Name of the last node.

    Examples
    --------
    >>> import pellucid as pl
    >>> image = pl.Input(8, 8, 3)
    >>> y = pl.Conv2D(16, 3)(pl.Pad2D(1, mode="reflect")(image))
    >>> pl.Network(inputs=image, outputs=y).output_shape
    (8, 8, 16)
    """

    padding: Padding = 1
    mode: Mode = "constant"
    value: float = 0.0

    stem: ClassVar[str] = "pad2d"

    def __post_init__(self) -> None:
        if isinstance(self.padding, str):
            raise NetworkError(
                f"{self.who}: padding must be an int or ((top, bottom), (left, "
                f"right)); got padding={self.padding!r}."
            )
        object.__setattr__(self, "padding", window.padding(self.who, self.padding))
        _check_mode(self.who, self.mode, self.value)

    @property
    def sides(self) -> Pads:
        """((top, bottom), (left, right))."""
        return window.pads(self.padding, (1, 1), (1, 1), (1, 1), (1, 1))

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place slices of the image and join them; columns first."""
        checks.rank(self.who, composer.shape(x), 3)
        given = dict(enumerate(self.sides))
        return pad(composer, x, given, self.mode, self.value, who=self.who)


@dataclass(frozen=True)
class Pad1D(Composite):
    """Lengthen a sequence by its own elements, or by a number.

    Parameters
    ----------
    padding : int or (before, after)
        Elements that are added.
    mode, value, name
        As in Pad2D.
    """

    padding: Padding1D = 1
    mode: Mode = "constant"
    value: float = 0.0

    stem: ClassVar[str] = "pad1d"

    def __post_init__(self) -> None:
        given: Any = self.padding
        sides = (given, given) if checks.is_int(given) else given
        is_pair = isinstance(sides, tuple | list) and len(sides) == 2
        if not is_pair or not all(checks.is_int(n) and n >= 0 for n in sides):
            raise NetworkError(
                f"{self.who}: padding must be an int of at least 0 or (before, "
                f"after); got padding={self.padding!r}."
            )
        object.__setattr__(self, "padding", tuple(sides))
        _check_mode(self.who, self.mode, self.value)

    def compose(self, composer: Composer[T], x: T) -> T:
        """Place slices of the sequence and join them."""
        checks.rank(self.who, composer.shape(x), 2)
        given: Any = self.padding  # a pair, since it was made
        sides = {0: (given[0], given[1])}
        return pad(composer, x, sides, self.mode, self.value, who=self.who)


def _check_mode(who: str, mode: object, value: object) -> None:
    if mode not in MODES:
        raise NetworkError(
            f"{who}: mode must be one of {', '.join(MODES)}; got mode={mode!r}."
        )
    checks.number(who, "value", value)


def pad(
    composer: Composer[T],
    x: T,
    sides: Mapping[int, Pair],
    mode: Mode,
    value: float = 0.0,
    *,
    who: str,
) -> T:
    """Lengthen axes, the last one first.

    Parameters
    ----------
    composer : Composer
    x : value
    sides : mapping of int to (int, int)
        What is added before and behind each axis; the batch is not counted.
    mode, value
        As in Pad2D.
    who : str
        For the error.

    Returns
    -------
    value
        The padded one; x itself where nothing is added.

    Raises
    ------
    ShapeError
        If an axis is too short to be mirrored or wrapped that far.
    """
    added = {axis: pair for axis, pair in sides.items() if any(pair)}
    if mode == "constant" and value == 0:
        return _add_zeros(composer, x, added)
    for axis in sorted(added, reverse=True):
        n, (before, after) = composer.shape(x)[axis], added[axis]
        most = {"reflect": n - 1, "symmetric": n, "circular": n}.get(mode)
        if most is not None and max(before, after) > most:
            raise ShapeError(
                f"{who}: padding must be at most {most} where {n} elements are "
                f"padded by mode '{mode}'; got padding={(before, after)}."
            )
        x = _lengthen(composer, x, axis, added[axis], mode, value)
    return x


def _lengthen(
    composer: Composer[T], x: T, axis: int, sides: Pair, mode: Mode, value: float
) -> T:
    n, (before, after) = composer.shape(x)[axis], sides

    def take(start: int, stop: int | None, step: int = 1) -> T:
        return composer.add(Slice(start, stop, step, axis=axis), x)

    def extend(at: int, count: int) -> T:
        element = take(at, at + 1)
        if mode == "constant":
            element = composer.add(Rescale(0.0, value), element)
        return repeat(composer, element, axis, count)

    def backwards(first: int, count: int) -> list[T]:
        if count <= _FEW:  # which formats without backward slices hold as well
            return [take(i, i + 1) for i in range(first, first - count, -1)]
        end = first - count
        return [take(first, end if end >= 0 else None, -1)]

    match mode:
        case "reflect":
            parts = [*backwards(before, before), x, *backwards(n - 2, after)]
        case "symmetric":
            parts = [*backwards(before - 1, before), x, *backwards(n - 1, after)]
        case "circular":
            front = [take(n - before, n)] if before else []
            parts = [*front, x, *([take(0, after)] if after else [])]
        case _:
            front = [extend(0, before)] if before else []
            parts = [*front, x, *([extend(n - 1, after)] if after else [])]
    return join(composer, parts, axis)


def join(composer: Composer[T], parts: list[T], axis: int) -> T:
    """Place a Concat along an axis; one part is left as it is."""
    if len(parts) == 1:
        return parts[0]
    is_last = axis == len(composer.shape(parts[0])) - 1
    return composer.add(Concat(axis=-1 if is_last else axis), *parts)


def repeat(composer: Composer[T], x: T, axis: int, count: int) -> T:
    """Repeat the only element of an axis: the width of an image of three parts.

    Parameters
    ----------
    composer : Composer
    x : value
        Of length 1 along the axis.
    axis, count : int
        Which one, and how long it becomes.

    Returns
    -------
    value
        The longer one.
    """
    if count == 1:
        return x
    shape = composer.shape(x)
    wide = through_image(composer, x, axis)
    wide = composer.add(Upsample2D((1, count)), wide)
    return reshaped(composer, wide, (*shape[:axis], count, *shape[axis + 1 :]))


def repeat_each(composer: Composer[T], x: T, axis: int, count: int) -> T:
    """Repeat every element of an axis, beside itself.

    Parameters
    ----------
    composer : Composer
    x : value
    axis, count : int
        Which axis, and how often each of its elements comes.

    Returns
    -------
    value
        The longer one.
    """
    shape = composer.shape(x)
    thin = prod(shape[: axis + 1]), 1, prod(shape[axis + 1 :])
    wide = composer.add(Upsample2D((1, count)), reshaped(composer, x, thin))
    longer = (*shape[:axis], shape[axis] * count, *shape[axis + 1 :])
    return reshaped(composer, wide, longer)


def through_image(composer: Composer[T], x: T, axis: int) -> T:
    """Return x as an image whose width is that axis."""
    shape = composer.shape(x)
    parts = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    return reshaped(composer, x, parts)


def reshaped(composer: Composer[T], x: T, shape: Shape) -> T:
    """Place a Reshape where it is needed."""
    return x if composer.shape(x) == shape else composer.add(Reshape(shape), x)


def _add_zeros(composer: Composer[T], x: T, sides: Mapping[int, Pair]) -> T:
    rank = len(composer.shape(x))
    left = dict(sides)
    if rank == 3 and {0, 1} & set(left):
        around = left.pop(0, (0, 0)), left.pop(1, (0, 0))
        x = composer.add(ZeroPad2D(around), x)
    if rank - 1 in left:
        before, after = left.pop(rank - 1)
        x = composer.add(PadChannels(before, after), x)
    for axis, pair in left.items():
        shape = composer.shape(x)
        image = through_image(composer, x, axis)
        padded = composer.add(ZeroPad2D(((0, 0), pair)), image)
        wanted = (*shape[:axis], shape[axis] + sum(pair), *shape[axis + 1 :])
        x = reshaped(composer, padded, wanted)
    return x
