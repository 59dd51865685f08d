"""Product of two values as matrices."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from pellucid.errors import ShapeError
from pellucid.network import checks
from pellucid.network.layers.base import Layer, Shape
from pellucid.network.layers.merge import broadcast


@dataclass(frozen=True)
class MatMul(Layer):
    """Multiply two values as matrices: ``y = scale · a · b``, as attention does.

    The last two axes of each input are a matrix, (rows, inner) of the first and
    (inner, columns) of the second. Axes before them number matrices; they are
    broadcast as in Multiply.

    Parameters
    ----------
    transpose_a, transpose_b : bool
        Exchange the last two axes of that input first.
    scale : float
        Factor of the product.
    name : str, optional
        Node name.

    Examples
    --------
    >>> MatMul(transpose_b=True).output_shape((3, 197, 64), (3, 197, 64))
    (3, 197, 197)
    """

    transpose_a: bool = False
    transpose_b: bool = False
    scale: float = 1.0

    arity: ClassVar[tuple[int, int | None]] = (2, 2)
    stem: ClassVar[str] = "matmul"

    def __post_init__(self) -> None:
        for field in ("transpose_a", "transpose_b"):
            checks.boolean(self.who, field, getattr(self, field))
        scale = checks.number(self.who, "scale", self.scale)
        object.__setattr__(self, "scale", scale)

    def sizes(self, a: Shape, b: Shape) -> tuple[int, int, int]:
        """Return (rows, inner, columns) of the matrices in inputs of those shapes.

        Parameters
        ----------
        a, b : tuple of int
            Shapes of the inputs, without the batch.

        Returns
        -------
        tuple of three int
            Of one product.

        Raises
        ------
        ShapeError
            If they are no matrices, or their inner sizes differ.
        """
        if min(len(a), len(b)) < 2:
            raise ShapeError(
                f"{self.who}: inputs must have two axes at least; got {a} and {b}."
            )
        rows, inner = a[-2:][::-1] if self.transpose_a else a[-2:]
        other, columns = b[-2:][::-1] if self.transpose_b else b[-2:]
        if inner != other:
            raise ShapeError(
                f"{self.who}: the first input must have as many columns as the second "
                f"has rows; got {inner} and {other} of {a} and {b}."
            )
        return rows, inner, columns

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the leading axes, broadcast, with rows and columns."""
        rows, _, columns = self.sizes(*inputs)
        lead = [shape[:-2] for shape in inputs]
        return (*broadcast(self.who, *lead), rows, columns)

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return rows × inner × columns, for each product."""
        return prod(self.output_shape(*inputs)) * self.sizes(*inputs)[1]
