"""Base class of the layers: name, shape rule, weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pellucid.errors import NetworkError
from pellucid.network.initializers import Initializer

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSpec:
    """One array of a layer: its role, shape and how it begins.

    ``is_parameter`` is True for what training changes by the gradient, False for
    buffers (running statistics). ``fans`` are (fan_in, fan_out). ``dtype`` is None for
    arrays of the session's own type; others keep theirs.
    """

    role: str
    shape: Shape
    initializer: Initializer | None = None
    fans: tuple[float, float] = (1.0, 1.0)
    is_parameter: bool = True
    dtype: str | None = None


@dataclass(frozen=True)
class Layer:
    """Describe what one node computes.

    Calling a layer on the output of others places it in a graph. Called twice, it
    stands at two places and shares its weights, which carry the first node's name.
    """

    name: str | None = field(default=None, kw_only=True)

    #: how many inputs: (least, most); most None means any number
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    #: stem of the node names that the layer makes
    stem: ClassVar[str] = ""

    @property
    def who(self) -> str:
        """How errors name this layer."""
        kind = type(self).__name__
        return f"{kind} '{self.name}'" if self.name else kind

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the output's shape, without the batch; ShapeError if none fits.

        Parameters
        ----------
        *inputs : tuple of int
            Shape of each input, without the batch.

        Returns
        -------
        tuple of int
            Shape of the output, without the batch.
        """
        raise NotImplementedError

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return the layer's arrays in canonical order.

        Parameters
        ----------
        *inputs : tuple of int
            Shape of each input, without the batch.

        Returns
        -------
        tuple of WeightSpec
            None for a layer that learns nothing.
        """
        del inputs
        return ()

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return the multiplications (each with its addition) for one example.

        Parameters
        ----------
        *inputs : tuple of int
            Shape of each input, without the batch.

        Returns
        -------
        int
            Of a single example; 0 where nothing is multiplied.
        """
        del inputs
        return 0

    def __call__(self, *inputs: Value | Layer) -> Value:
        """Place the layer after its inputs and return its output."""
        values = tuple(as_value(self.who, value) for value in inputs)
        check_arity(self, len(values))
        return Value(self, values)


@dataclass(frozen=True)
class SameShape(Layer):
    """A layer whose output has its input's shape."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Value:
    """The output of a layer placed in a graph, before it is a network.

    ``stem`` is what the node's name begins with, where it is not the layer's own.
    """

    layer: Layer
    inputs: tuple[Value, ...] = ()
    stem: str | None = None


def as_value(who: str, value: object) -> Value:
    """Return a Value; an Input layer stands for its own output."""
    if isinstance(value, Value):
        return value
    if isinstance(value, Layer) and value.arity == (0, 0):
        return Value(value)
    raise NetworkError(
        f"{who}: inputs must be an Input or what a layer returned; got {value!r}."
    )


def check_arity(layer: Layer, count: int) -> None:
    """Check the number of inputs."""
    least, most = layer.arity
    if count < least or (most is not None and count > most):
        rule = f"{least}" if least == most else f"at least {least}"
        raise NetworkError(f"{layer.who}: must have {rule} input(s); got {count}.")
