"""Input of a network."""

from __future__ import annotations

from typing import ClassVar

from pellucid.errors import NetworkError
from pellucid.network.checks import is_int
from pellucid.network.layers.base import Layer, Shape


class Input(Layer):
    """Describe one example: height, width and channels, or a number of features.

    Parameters
    ----------
    *shape : int
        Axes without the batch, channels last.
    name : str, optional
        Node name; ``input`` where it is left out.

    Examples
    --------
    >>> Input(28, 28, 1).shape
    (28, 28, 1)
    """

    arity: ClassVar[tuple[int, int | None]] = (0, 0)
    stem: ClassVar[str] = "input"

    def __init__(self, *shape: int, name: str | None = None) -> None:
        if len(shape) == 1 and isinstance(shape[0], tuple | list):
            (shape,) = shape
        if not shape or not all(is_int(n) and n >= 1 for n in shape):
            raise NetworkError(
                f"Input: shape must be positive ints, as in Input(28, 28, 1); "
                f"got shape={tuple(shape)}."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "shape", tuple(int(n) for n in shape))

    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape itself."""
        del inputs
        return self.shape

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Input):
            return NotImplemented
        return (self.name, self.shape) == (other.name, other.shape)

    def __hash__(self) -> int:
        return hash((self.name, self.shape))

    def __repr__(self) -> str:
        axes = ", ".join(map(str, self.shape))
        return (
            f"Input({axes})"
            if self.name is None
            else f"Input({axes}, name={self.name!r})"
        )
