"""Layers that join branches: addition and concatenation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import ShapeError
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
    """Put two or more inputs behind each other along the channels."""

    arity: ClassVar[tuple[int, int | None]] = (2, None)
    stem: ClassVar[str] = "concat"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the common shape with the channels added up."""
        if len({shape[:-1] for shape in inputs}) != 1:
            shapes = " and ".join(map(str, inputs))
            raise ShapeError(
                f"{self.who}: inputs must agree in all axes but the last; got {shapes}."
            )
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))
