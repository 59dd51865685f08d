"""LiteRT graph: values and the operators that compute them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.metadata import ModelMetadata
from pellucid.network.layers import Shape
from pellucid.network.quantization import RANGES

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """How int8 numbers stand for real ones: real = scale · (q − zero_point).

    ``scale`` has one number, or one per channel of ``axis``.
    """

    scale: Array
    zero_point: int = 0
    axis: int = 0

    @property
    def one(self) -> float:
        """The only scale."""
        return float(self.scale[0])

    def same(self, other: Scales) -> bool:
        """True where the same number stands for the same."""
        return self.one == other.one and self.zero_point == other.zero_point


@dataclass(slots=True, kw_only=True, eq=False)
class Value:
    """A tensor: a constant with its ``array``, or what is computed.

    ``shape`` of what is computed has 1 for the batch. ``node`` is the node of ours
    whose output it is, or lies within the range of. ``free_axes`` are those that a
    file leaves open, besides the batch. A variable is an operator's own state, which
    begins with zeros.
    """

    name: str
    shape: Shape
    dtype: str = "float32"
    array: Array | None = None
    node: str | None = None
    is_any_batch: bool = True
    free_axes: tuple[int, ...] = ()
    scales: Scales | None = None
    is_variable: bool = False

    @property
    def is_quantized(self) -> bool:
        """True where it is of integers of eight bits that stand for real numbers."""
        return self.dtype in RANGES and self.scales is not None

    @property
    def real(self) -> Array | None:
        """The real numbers of a constant of integers; None for any other."""
        if self.array is None or self.scales is None or not self.is_quantized:
            return None
        scale = self.scales.scale.astype(np.float32)
        if scale.size > 1:
            shape = [1] * self.array.ndim
            shape[self.scales.axis] = -1
            scale = scale.reshape(shape)
        centred = self.array.astype(np.float32) - np.float32(self.scales.zero_point)
        return np.asarray(centred * scale)


@dataclass(slots=True, kw_only=True, eq=False)
class Operator:
    """An operator by the name of its kind; inputs and outputs count the values.

    −1 is an input that is left out.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""  # the layer of ours that it is written for
    node: str = ""  # and its node


@dataclass(slots=True, kw_only=True)
class Graph:
    """Values and operators in order.

    ``input`` and ``output`` are the first ones, ``more_inputs`` and ``more_outputs``
    the others. Where ``shares``, equal constants are one value.
    """

    name: str
    values: list[Value] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    input: int = 0
    output: int = 0
    more_inputs: tuple[int, ...] = ()
    more_outputs: tuple[int, ...] = ()
    card: str | None = None
    about: ModelMetadata | None = None  # what a file of others says of itself
    states: int = 0  # how many of the last inputs and outputs a file keeps itself
    shares: bool = False
    known: dict[tuple[object, ...], int] = field(default_factory=dict)

    @property
    def all_inputs(self) -> tuple[int, ...]:
        """The numbers of all inputs, in order."""
        return (self.input, *self.more_inputs)

    @property
    def all_outputs(self) -> tuple[int, ...]:
        """The numbers of all outputs, in order."""
        return (self.output, *self.more_outputs)

    def add(self, value: Value) -> int:
        """Add a value and return its number."""
        self.values.append(value)
        return len(self.values) - 1

    def constant(self, name: str, array: Array) -> int:
        """Add a constant."""
        array = np.ascontiguousarray(array)
        value = Value(name=name, shape=array.shape, dtype=array.dtype.name, array=array)
        if not self.shares:
            return self.add(value)
        key = (array.shape, array.dtype.str, array.tobytes())
        if key not in self.known:
            self.known[key] = self.add(value)
        return self.known[key]

    def inputs(self, operator: Operator) -> list[Value]:
        """Return the values that an operator reads."""
        return [self.values[i] for i in operator.inputs]
