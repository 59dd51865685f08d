"""Activation functions by name, and softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.errors import NetworkError, ShapeError
from pellucid.network import checks
from pellucid.network.layers.base import Layer, SameShape, Shape, Value, as_value
from pellucid.network.layers.pointwise import NAMED
from pellucid.network.layers.rearrange import Permute, shape_of


@dataclass(frozen=True)
class _OverAxis(SameShape):
    """A function of all elements along an axis, which in a node is the last."""

    axis: int = -1

    def __post_init__(self) -> None:
        if not checks.is_int(self.axis):
            raise NetworkError(
                f"{self.who}: axis must be an int; got axis={self.axis!r}."
            )

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape; ShapeError where the axis is not the last."""
        rank = len(inputs[0])
        if checks.axis(self.who, self.axis, rank) != rank - 1:
            raise ShapeError(
                f"{self.who}: axis must be the last in a node; got axis={self.axis} of "
                f"{inputs[0]}. Call the layer on a value, which exchanges the axes."
            )
        return inputs[0]

    def __call__(self, *inputs: Value | Layer) -> Value:
        """Place the layer, between permutations where its axis is not the last."""
        if self.axis == -1 or len(inputs) != 1:
            return super().__call__(*inputs)
        x = as_value(self.who, inputs[0])
        rank = len(shape_of(x))
        axis = checks.axis(self.who, self.axis, rank)
        if axis == rank - 1:
            return type(self)(name=self.name)(x)
        order = (*(other for other in range(rank) if other != axis), axis)
        back = tuple(map(order.index, range(rank)))
        inner = None if self.name is None else f"{self.name}_{self.stem}"
        y = type(self)(name=inner)(Permute(order)(x))
        return Permute(back, name=self.name)(y)


@dataclass(frozen=True)
class Softmax(_OverAxis):
    """``exp(xᵢ) / Σⱼ exp(xⱼ)`` over the last axis, or over another one.

    Parameters
    ----------
    axis : int
        The axis, the batch not counted. Called on a value, a softmax over another axis
        than the last becomes three nodes: that axis is brought to the end by a
        `Permute`, and brought back behind the softmax. Engines and files thus know
        one softmax alone, and losses that take it in find it only where it is over
        the classes.

    Examples
    --------
    >>> from pellucid.network.layers import Input
    >>> Softmax(axis=0)(Input(6, 4)).layer  # over the boxes of (boxes, classes)
    Permute(name=None, axes=(1, 0))
    """

    stem: ClassVar[str] = "softmax"


@dataclass(frozen=True)
class LogSoftmax(_OverAxis):
    """``xᵢ − ln Σⱼ exp(xⱼ)`` over the last axis, or over another one.

    The logarithms of a Softmax's probabilities, without its overflow. They are logits
    of the same classes: cross-entropy of them is the negative log-likelihood.

    Parameters
    ----------
    axis : int
        As in Softmax.
    name : str, optional
        Node name.
    """

    stem: ClassVar[str] = "log_softmax"


ACTIVATIONS: dict[str, type[SameShape]] = {
    **{kind.stem: kind for kind in NAMED},
    LogSoftmax.stem: LogSoftmax,
    Softmax.stem: Softmax,
}

Activation = str | SameShape


def activation(who: str, value: Any) -> SameShape | None:
    """Return the layer that ``activation=`` names."""
    if value is None or isinstance(value, SameShape):
        return value
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise NetworkError(
            f"{who}: activation must be one of {', '.join(ACTIVATIONS)} or a layer "
            f"of that kind; got activation={value!r}."
        )
    return ACTIVATIONS[value]()
