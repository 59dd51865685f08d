"""Layers that join branches: arithmetic of several inputs, and concatenation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.layers.base import Layer, Shape


def broadcast(who: str, *shapes: Shape) -> Shape:
    """Return the shape that shapes come to side by side, the last axes aligned.

    NumPy's rule for one example: axes must be equal, or 1 in all shapes but one
    length; missing axes in front count as 1. The batch is no part of it.

    Raises
    ------
    ShapeError
        If two axes differ and neither is 1.
    """
    rank = max(map(len, shapes))
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result = tuple(max(sizes) for sizes in zip(*aligned, strict=True))
    fits = (
        n in (1, m) for shape in aligned for n, m in zip(shape, result, strict=True)
    )
    if not all(fits):
        came = " and ".join(map(str, shapes))
        raise ShapeError(
            f"{who}: inputs must be of one shape, or have 1 where another is larger; "
            f"got {came}."
        )
    return result


@dataclass(frozen=True)
class Arithmetic(Layer):
    """A layer that computes every element from one element of each input.

    Where an input has length 1, or lacks leading axes, its elements stand for all:
    (H, W, C) goes with (C,), (1, 1, C) and (H, W, 1).
    """

    arity: ClassVar[tuple[int, int | None]] = (2, None)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape that the inputs broadcast to."""
        return broadcast(self.who, *inputs)


@dataclass(frozen=True)
class Add(Arithmetic):
    """Add two or more inputs, with broadcasting as in Multiply."""

    stem: ClassVar[str] = "add"


@dataclass(frozen=True)
class Subtract(Arithmetic):
    """Subtract the second input from the first, with broadcasting as in Multiply."""

    arity: ClassVar[tuple[int, int | None]] = (2, 2)
    stem: ClassVar[str] = "subtract"


@dataclass(frozen=True)
class Multiply(Arithmetic):
    """Multiply two or more inputs element by element, as a gate does.

    Shapes are broadcast by NumPy's rule with the batch left out: an image (H, W, C)
    is multiplied by channel weights (C,) or (1, 1, C), as in squeeze-and-excitation
    (Hu, Shen & Sun 2018), or by a map (H, W, 1).
    """

    stem: ClassVar[str] = "multiply"


@dataclass(frozen=True)
class Maximum(Arithmetic):
    """Keep the largest of two or more inputs; of equal ones the first.

    Broadcasting is Multiply's. The derivative goes to the input that is kept.
    """

    stem: ClassVar[str] = "maximum"


@dataclass(frozen=True)
class Concat(Layer):
    """Put two or more inputs behind each other along an axis.

    Parameters
    ----------
    axis : int
        The axis, the batch not counted; −1, the channels, unless given. Detection
        heads join their boxes, of shape (boxes, k), along axis 0.
    """

    axis: int = -1

    arity: ClassVar[tuple[int, int | None]] = (2, None)
    stem: ClassVar[str] = "concat"

    def __post_init__(self) -> None:
        if not checks.is_int(self.axis):
            raise NetworkError(
                f"{self.who}: axis must be an int; got axis={self.axis!r}."
            )

    def resolved_axis(self, rank: int) -> int:
        """Return the axis counted from the front, for inputs of that many axes.

        Parameters
        ----------
        rank : int
            Axes of an input, without the batch.

        Returns
        -------
        int
            At least 0.
        """
        return checks.axis(self.who, self.axis, rank)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the common shape with the sizes along the axis added up."""
        axis = self.resolved_axis(len(inputs[0]))
        rest = {(*shape[:axis], 0, *shape[axis + 1 :]) for shape in inputs}
        if len(rest) != 1 or len({len(shape) for shape in inputs}) != 1:
            shapes = " and ".join(map(str, inputs))
            which = "the last" if axis == len(inputs[0]) - 1 else f"axis {axis}"
            raise ShapeError(
                f"{self.who}: inputs must agree in all axes but {which}; got {shapes}."
            )
        total = sum(shape[axis] for shape in inputs)
        return (*inputs[0][:axis], total, *inputs[0][axis + 1 :])
