"""Base class of the layers: name, shape rule, weights."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.network.initializers import Initializer

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSpec:
    """One array of a layer: its role, shape and how it begins.

    Parameters
    ----------
    role : str
        What it is called in its layer; the array's name is ``<node>.<role>``. Weight
        decay goes to those called weight.
    shape : tuple of int
        Its shape.
    initializer : str or initializer, optional
        As in `Conv2D`; He's or Glorot's if left out.
    fans : tuple of float
        (fan_in, fan_out), for initializers that ask for them.
    is_parameter : bool
        True for what training changes by the gradient, False for buffers (running
        statistics).
    dtype : str, optional
        Of arrays that are not of the session's own type.
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

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Name the nodes of a class of one's own by the class."""
        super().__init_subclass__(**arguments)
        is_ours = cls.__module__.startswith("pellucid.")
        if not is_ours and "stem" not in cls.__dict__:
            cls.stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def forward(self, x: Any, weights: Mapping[str, Any]) -> Any:
        """Compute the output of a layer of one's own, by NumPy.

        Layers of pellucid are computed by engines and have no such method.

        Parameters
        ----------
        x : ndarray, shape (N, …)
            The input; a tuple of arrays where there are several.
        weights : mapping of str to ndarray
            The layer's arrays by role.

        Returns
        -------
        ndarray, shape (N, …)
            Each example's output, which must not depend on other examples.

        Raises
        ------
        NetworkError
            If the class has none.
        """
        raise NetworkError(
            f"{self.who}: forward must be a method of the class; got none. Engines "
            "compute pellucid's own layers."
        )

    def backward(self, x: Any, weights: Mapping[str, Any], grad_y: Any) -> Any:
        """Return the gradients of a layer of one's own, by NumPy.

        Parameters
        ----------
        x, weights
            As `forward` was given them.
        grad_y : ndarray, shape (N, …)
            Gradient of the loss with respect to the output.

        Returns
        -------
        grad_x : ndarray
            With respect to the input; a tuple where there are several.
        grads : dict of str to ndarray
            With respect to each weight, summed over the examples.

        Raises
        ------
        NetworkError
            If the class has none.
        """
        raise NetworkError(
            f"{self.who}: backward must be a method of the class; got none."
        )

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
    ``blocks`` are the calls of blocks that it was made in, the outermost first.
    """

    layer: Layer
    inputs: tuple[Value, ...] = ()
    stem: str | None = None
    blocks: tuple[BlockCall, ...] = field(default_factory=lambda: _OPEN.get())


@dataclass(frozen=True, eq=False)
class BlockCall:
    """One call of a block, by the block's name."""

    name: str


_OPEN: ContextVar[tuple[BlockCall, ...]] = ContextVar("blocks", default=())


@contextlib.contextmanager
def inside_block(call: BlockCall) -> Iterator[None]:
    """Let values that are made meanwhile belong to a call of a block."""
    token = _OPEN.set((*_OPEN.get(), call))
    try:
        yield
    finally:
        _OPEN.reset(token)


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
