"""Layers that join branches: addition and concatenation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.layers.base import Layer, Shape


@dataclass(frozen=True)
class Add(Layer):
    """Add two or more inputs of one shape."""

    arity: ClassVar[tuple[int, int | None]] = (2, None)
    stem: ClassVar[str] = "add"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape that all inputs have."""
        if len(set(inputs)) != 1:
            shapes = " and ".join(map(str, inputs))
            raise ShapeError(f"{self.who}: inputs must be of one shape; got {shapes}.")
        return inputs[0]


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
        """Return the axis counted from the front, for inputs of that many axes."""
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
