"""An array of weights as a value of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import NetworkError
from pellucid.network import checks
from pellucid.network.initializers import Initializer, Normal, initializer
from pellucid.network.layers.base import Layer, Shape, WeightSpec


@dataclass(frozen=True)
class Parameter(Layer):
    """A learned array, the same for every example: a class token, or positions.

    The input says how many examples there are; its elements do not matter, and it
    gets no gradient. The array is added to values by `Add`, or joined to them by
    `Concat`.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of the array, and of the output of each example.
    initializer : str or initializer, optional
        As in `Conv2D`; ``Normal(0.02)`` unless given, as vision transformers begin
        (Dosovitskiy et al. 2021).
    trainable : bool
        False freezes the array.
    name : str, optional
        Node name.

    Examples
    --------
    >>> import pellucid as pl
    >>> tokens = pl.Input(16, 8)
    >>> positions = pl.Add()(tokens, pl.Parameter((16, 8))(tokens))
    >>> pl.Network(inputs=tokens, outputs=positions).parameter_count
    128
    """

    shape: int | tuple[int, ...]
    initializer: Initializer | None = None
    trainable: bool = True

    stem: ClassVar[str] = "parameter"

    def __post_init__(self) -> None:
        who, shape = self.who, self.shape
        sizes = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
        if not sizes or not all(checks.is_int(n) and n >= 1 for n in sizes):
            raise NetworkError(
                f"{who}: shape must be sizes of at least 1; got shape={shape!r}."
            )
        checks.boolean(who, "trainable", self.trainable)
        start = initializer(who, "initializer", self.initializer)
        object.__setattr__(self, "shape", tuple(int(n) for n in sizes))
        object.__setattr__(self, "initializer", start)

    @property
    def sizes(self) -> Shape:
        """The shape as a tuple."""
        return self.shape if isinstance(self.shape, tuple) else (self.shape,)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the array's shape."""
        del inputs
        return self.sizes

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return value, of the layer's shape."""
        del inputs
        fan = float(self.sizes[-1])
        start = self.initializer or Normal(0.02)
        return (
            WeightSpec(
                role="value", shape=self.sizes, initializer=start, fans=(fan, fan)
            ),
        )
