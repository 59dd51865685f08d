"""Layers that only move elements: slice, reshape, permute."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks, rearrangement
from pellucid.network.checks import is_int
from pellucid.network.layers.base import Layer, Shape, Value, as_value
from pellucid.network.rearrangement import PermuteStep, ReshapeStep, SliceStep, Steps

Ints = int | tuple[int, ...]
Stops = int | None | tuple[int | None, ...]


@dataclass(frozen=True)
class Rearrangement(Layer):
    """A layer whose output elements are input elements, or zeros, at other places.

    It computes nothing: there are no multiply-adds, and the gradient of an element
    goes back to the place it was taken from.
    """

    def steps(self, shape: Shape) -> Steps:
        """Return the rearrangement of an input of that shape; ShapeError if none."""
        raise NotImplementedError

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the rearranged shape."""
        return rearrangement.output_shape(self.steps(inputs[0]), inputs[0])


@dataclass(frozen=True)
class Slice(Rearrangement):
    """Take a range of elements along one axis or several: ``x[start:stop:step]``.

    Parameters
    ----------
    start : int or tuple of int
        First index, as Python counts: negative from the end.
    stop : int, None or tuple of them
        Index after the last one; None takes all that is left.
    step : int or tuple of int
        Distance of neighbours; negative steps go backwards.
    axis : int or tuple of int
        Axes of the ranges, the batch not counted: 0 is the height of an image, −1 the
        channels. As many as starts.

    Notes
    -----
    ``y[i] = x[start + i · step]`` along each axis; ``∂L/∂x`` has ``grad_y`` there and
    zeros elsewhere.

    Examples
    --------
    >>> Slice(0, 16).output_shape((7, 7, 64))
    (7, 7, 16)
    >>> Slice((1, 2), (None, -2), axis=(0, 1)).output_shape((8, 8, 3))
    (7, 4, 3)
    """

    start: Ints = 0
    stop: Stops = None
    step: Ints = 1
    axis: Ints = -1

    stem: ClassVar[str] = "slice"

    def __post_init__(self) -> None:
        for name in ("start", "stop", "step", "axis"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        count = len(_tuple(self.axis))
        for name, allows_none in (
            ("axis", False),
            ("start", False),
            ("stop", True),
            ("step", False),
        ):
            values = _tuple(getattr(self, name))
            if name in ("step", "stop") and not isinstance(getattr(self, name), tuple):
                values *= count  # one for all axes
            fits = all(is_int(n) or (allows_none and n is None) for n in values)
            if not fits or len(values) != count or not count:
                raise NetworkError(
                    f"{self.who}: {name} must be an int{' or None' * allows_none}, or "
                    f"one for each axis; got {name}={getattr(self, name)!r}, "
                    f"axis={self.axis!r}."
                )
        if 0 in _tuple(self.step):
            raise NetworkError(f"{self.who}: step must not be 0; got step=0.")

    def steps(self, shape: Shape) -> Steps:
        """Return one slice over all axes."""
        return (self.ranges(shape),)

    def ranges(self, shape: Shape) -> SliceStep:
        """Return what is taken of every axis of an input of that shape.

        Parameters
        ----------
        shape : tuple of int
            Shape of the input, without the batch.

        Returns
        -------
        SliceStep
            Start, stop and step of each axis.
        """
        axes = [checks.axis(self.who, a, len(shape)) for a in _tuple(self.axis)]
        if len(set(axes)) != len(axes):
            raise ShapeError(
                f"{self.who}: axis must name each axis once; got axis={self.axis!r}."
            )
        starts, sizes, steps = [0] * len(shape), list(shape), [1] * len(shape)
        many = len(axes)
        given = zip(
            axes,
            _tuple(self.start),
            _spread(self.stop, many),
            _spread(self.step, many),
            strict=True,
        )
        for axis, start, stop, step in given:
            kept = range(*slice(start, stop, step).indices(shape[axis]))
            if not kept:
                raise ShapeError(
                    f"{self.who}: the range must hold at least one element; got "
                    f"{start}:{'' if stop is None else stop}:{step} of {shape[axis]} "
                    f"along axis {axis}."
                )
            starts[axis], sizes[axis], steps[axis] = kept.start, len(kept), step
        return SliceStep(tuple(starts), tuple(sizes), tuple(steps))


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _spread(value: Any, count: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,) * count


@dataclass(frozen=True)
class Split:
    """Cut a value into neighbouring ranges of one axis: a `Slice` for each.

    No layer of its own: it places slices, which is what the network then holds.

    Parameters
    ----------
    parts : int or tuple of int
        How many equal parts, or the size of each.
    axis : int
        The axis that is cut; −1 is the channels.
    name : str, optional
        The slices are named ``<name>_0``, ``<name>_1``, …

    Examples
    --------
    >>> from pellucid.network.layers import Input
    >>> low, high = Split((8, 24))(Input(7, 7, 32))
    >>> high.layer
    Slice(name=None, start=8, stop=32, step=1, axis=-1)
    """

    parts: Ints
    axis: int = -1
    name: str | None = None

    def __post_init__(self) -> None:
        sizes = _tuple(self.parts)
        if not sizes or not all(is_int(n) and n >= 1 for n in sizes):
            raise NetworkError(
                "Split: parts must be an int of at least 1, or the sizes of the parts; "
                f"got parts={self.parts!r}."
            )
        if not is_int(self.axis):
            raise NetworkError(f"Split: axis must be an int; got axis={self.axis!r}.")

    def __call__(self, value: Value | Layer) -> tuple[Value, ...]:
        """Return the parts in order.

        Raises
        ------
        ShapeError
            If the parts do not make up the axis.
        """
        source = as_value("Split", value)
        shape = shape_of(source)
        total = shape[checks.axis("Split", self.axis, len(shape))]
        sizes = self._sizes(total)
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        return tuple(
            Slice(start, start + size, axis=self.axis, name=self._name(i))(source)
            for i, (start, size) in enumerate(zip(starts, sizes, strict=True))
        )

    def _sizes(self, total: int) -> tuple[int, ...]:
        if isinstance(self.parts, tuple):
            if sum(self.parts) != total:
                raise ShapeError(
                    f"Split: parts must add up to the axis; got parts={self.parts} of "
                    f"{total}."
                )
            return self.parts
        if total % self.parts:
            raise ShapeError(
                f"Split: the axis must be a multiple of parts; got parts={self.parts} "
                f"of {total}."
            )
        return (total // self.parts,) * self.parts

    def _name(self, i: int) -> str | None:
        return None if self.name is None else f"{self.name}_{i}"


def shape_of(value: Value) -> Shape:
    """Return the shape of a value that stands in no network yet."""
    found: dict[int, Shape] = {}
    stack = [value]
    while stack:
        top = stack[-1]
        missing = [source for source in top.inputs if id(source) not in found]
        if missing:
            stack.extend(missing)
            continue
        inputs = (found[id(source)] for source in top.inputs)
        found[id(top)] = top.layer.output_shape(*inputs)
        stack.pop()
    return found[id(value)]


@dataclass(frozen=True)
class Reshape(Rearrangement):
    """Give the elements of an example another shape, in row-major order.

    Parameters
    ----------
    shape : int or tuple of int
        The new axes without the batch; one may be −1, for what is left over. Of three
        axes, the last is the channels.

    Notes
    -----
    Elements are counted in the order of the layout here, channels fastest:
    ``y.ravel()[k] = x.ravel()[k]``.

    Examples
    --------
    >>> Reshape((-1, 4)).output_shape((3, 3, 24))  # six boxes for each pixel
    (54, 4)
    """

    shape: Ints

    stem: ClassVar[str] = "reshape"

    def __post_init__(self) -> None:
        sizes = tuple(self.shape) if isinstance(self.shape, list) else self.shape
        sizes = _tuple(sizes)
        fits = all(is_int(n) and (n >= 1 or n == -1) for n in sizes)
        if not sizes or not fits or sizes.count(-1) > 1:
            raise NetworkError(
                f"{self.who}: shape must be sizes of at least 1, one of them -1 at "
                f"most; got shape={self.shape!r}."
            )
        object.__setattr__(self, "shape", tuple(int(n) for n in sizes))

    def steps(self, shape: Shape) -> Steps:
        """Return the reshape, with the size that was left open."""
        sizes, total = self.shape, prod(shape)
        if not isinstance(sizes, tuple):
            raise TypeError(sizes)
        rest = prod(n for n in sizes if n != -1)
        if total % rest or (-1 not in sizes and total != rest):
            raise ShapeError(
                f"{self.who}: shape must hold as many elements as the input; got "
                f"shape={sizes} for {shape}."
            )
        return (ReshapeStep(tuple(total // rest if n == -1 else n for n in sizes)),)


@dataclass(frozen=True)
class Permute(Rearrangement):
    """Exchange axes: axis i of the output is axis ``axes[i]`` of the input.

    Parameters
    ----------
    axes : tuple of int
        Every axis of the input once, the batch not counted, from 0 on.

    Examples
    --------
    >>> Permute((2, 0, 1)).output_shape((4, 5, 3))
    (3, 4, 5)
    """

    axes: tuple[int, ...]

    stem: ClassVar[str] = "permute"

    def __post_init__(self) -> None:
        axes = _tuple(tuple(self.axes) if isinstance(self.axes, list) else self.axes)
        if not all(map(is_int, axes)) or sorted(axes) != list(range(len(axes))):
            known = f"0 … {len(axes) - 1}" if len(axes) > 1 else "all axes from 0 on"
            raise NetworkError(
                f"{self.who}: axes must hold {known}, each once; "
                f"got axes={self.axes!r}."
            )
        object.__setattr__(self, "axes", tuple(int(axis) for axis in axes))

    def steps(self, shape: Shape) -> Steps:
        """Return the permutation."""
        if len(shape) != len(self.axes):
            raise ShapeError(
                f"{self.who}: axes must be as many as the input has; got "
                f"axes={self.axes} for {shape}."
            )
        return (PermuteStep(self.axes),)
