"""Recurrent layers of sequences (length, channels): LSTM, GRU and the simple form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from pellucid.errors import ShapeError
from pellucid.network import checks
from pellucid.network.initializers import Initializer, initializer
from pellucid.network.layers.base import Layer, Shape, WeightSpec

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Recurrent(Layer):
    """What recurrent layers are given, and their shapes and weights.

    The columns of ``weight``, ``recurrent_weight`` and ``bias`` are the gates' in the
    order of `gates`, each with a column for every unit.
    """

    units: int
    return_sequences: bool = False
    reverse: bool = False
    bias: bool = True
    weight_initializer: Initializer | None = None
    recurrent_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    trainable: bool = True

    #: the gates, in the order of their columns
    gates: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        who, put = self.who, object.__setattr__
        put(self, "units", checks.integer(who, "units", self.units))
        for name in ("return_sequences", "reverse", "bias", "trainable"):
            checks.boolean(who, name, getattr(self, name))
        for name in ("weight", "recurrent", "bias"):
            field = f"{name}_initializer"
            put(self, field, initializer(who, field, getattr(self, field)))

    @property
    def has_recurrent_bias(self) -> bool:
        """Whether the product with the state before has a bias of its own."""
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (length, units), or (units,) for the last state alone."""
        if len(inputs[0]) != 2:
            raise ShapeError(
                f"{self.who}: input must be of shape (length, channels); "
                f"got shape={inputs[0]}."
            )
        return (inputs[0][0], self.units) if self.return_sequences else (self.units,)

    def weights(self, *inputs: Shape) -> tuple[WeightSpec, ...]:
        """Return weight (in, gates·units), recurrent_weight and the biases."""
        units, columns = self.units, len(self.gates) * self.units
        channels = inputs[0][-1]
        start = self.weight_initializer or "glorot_uniform"
        fans = float(channels), float(units)
        weight = WeightSpec(
            role="weight", shape=(channels, columns), initializer=start, fans=fans
        )
        recurrent = WeightSpec(
            role="recurrent_weight",
            shape=(units, columns),
            initializer=self.recurrent_initializer or "glorot_uniform",
            fans=(float(units), float(units)),
        )
        roles = ["bias"] * self.bias + ["recurrent_bias"] * self.has_recurrent_bias
        biases = (
            WeightSpec(
                role=role,
                shape=(columns,),
                initializer=self.bias_initializer or "zeros",
                fans=fans,
            )
            for role in roles
        )
        return (weight, recurrent, *biases)

    def multiply_adds(self, *inputs: Shape) -> int:
        """Return length × (in + units) × gates × units."""
        length, channels = inputs[0]
        return length * (channels + self.units) * len(self.gates) * self.units


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    ``i, f, o = σ(x·W + h·U + b)``, ``g = tanh(x·W + h·U + b)``;
    ``c ← f·c + i·g``, ``h ← o·tanh(c)``. State and memory begin at 0.

    Parameters
    ----------
    units : int
        Length of the state, which is the output.
    return_sequences : bool
        Whether every state is returned, at its place in the sequence, or the last
        one alone.
    reverse : bool
        Whether the sequence is read from its end; the last state is then the one at
        its beginning.
    bias : bool
        Whether numbers are added in the gates.
    weight_initializer, recurrent_initializer, bias_initializer : optional
        As in Conv2D; Glorot's uniform and zeros where they are left out.
    trainable : bool
        False freezes the weights.
    name : str, optional
        Node name.
    """

    stem: ClassVar[str] = "lstm"
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")


@dataclass(frozen=True)
class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014).

    ``z, r = σ(x·W + h·U + b)``; ``n = tanh(x·W + b + r·(h·U + b'))``, or where
    ``reset_after=False``, ``n = tanh(x·W + (r·h)·U + b)``; ``h ← (1 − z)·n + z·h``.

    Parameters
    ----------
    units, return_sequences, reverse, bias, trainable, name
        As in LSTM.
    weight_initializer, recurrent_initializer, bias_initializer
        As in LSTM.
    reset_after : bool
        Whether the reset gate r works on the product, which then has a bias of its
        own (PyTorch, Keras), or on the state before it.
    """

    reset_after: bool = True

    stem: ClassVar[str] = "gru"
    gates: ClassVar[tuple[str, ...]] = ("z", "r", "n")

    def __post_init__(self) -> None:
        Recurrent.__post_init__(self)
        checks.boolean(self.who, "reset_after", self.reset_after)

    @property
    def has_recurrent_bias(self) -> bool:
        """Whether the product with the state before has a bias of its own."""
        return self.bias and self.reset_after


@dataclass(frozen=True)
class SimpleRNN(Recurrent):
    """Elman's recurrent layer (1990): ``h ← tanh(x·W + h·U + b)``.

    Parameters
    ----------
    units, return_sequences, reverse, bias, trainable, name
        As in LSTM.
    weight_initializer, recurrent_initializer, bias_initializer
        As in LSTM.
    """

    stem: ClassVar[str] = "simple_rnn"
    gates: ClassVar[tuple[str, ...]] = ("n",)


#: gates as frameworks order them, where that is not our order
_ORDERS = {
    ("ifgo", "onnx"): "iofg",
    ("zrn", "torch"): "rzn",
}


def gate_order(layer: Recurrent, where: str) -> str:
    """Return the order of a layer's gates in a framework or format.

    Parameters
    ----------
    layer : Recurrent
    where : {"keras", "litert", "onnx", "torch"}

    Returns
    -------
    str
        A letter for each gate; `Recurrent.gates` are ours.
    """
    ours = "".join(layer.gates)
    return _ORDERS.get((ours, where), ours)


def reorder_gates(array: Array, units: int, order: str, to: str) -> Array:
    """Return an array whose last axis has the gates in another order.

    Parameters
    ----------
    array : ndarray, shape (…, gates·units)
    units : int
    order, to : str
        The gates' letters as they lie and as they are to lie.

    Returns
    -------
    ndarray
        A view where the orders are equal, else a copy.
    """
    if order == to:
        return array
    gates = array.reshape(*array.shape[:-1], len(order), units)
    moved = gates[..., [order.index(gate) for gate in to], :]
    return moved.reshape(array.shape)
