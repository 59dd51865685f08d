"""Recurrent layers of a file: as layers of ours, or step by step.

Step by step a layer is placed where its first state is a value, where a file wants the
memory of an LSTM, and where a format has no recurrent layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network import layers as pl
from pellucid.network.layers import GRU, LSTM, Layer, Recurrent

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder

T = TypeVar("T")
Weights = Mapping[str, Array]
#: steps that are written out
MOST_STEPS = 512


class Placer(Protocol[T]):
    """Where the layers of a step are placed."""

    def add(self, layer: Layer, *inputs: T) -> T:
        """Place a layer without weights."""
        ...

    def dense(self, x: T, weight: Array, bias: Array | None) -> T:
        """Place a Dense; those of one array in memory share their weights."""
        ...


def place_steps(
    place: Placer[T],
    layer: Recurrent,
    x: T,
    weights: Weights,
    *,
    length: int,
    initial: Sequence[T | None] = (None, None),
) -> tuple[list[T], tuple[T, ...]]:
    """Place a layer step by step.

    Parameters
    ----------
    place : Placer
    layer : Recurrent
    x : value
        Of shape (length, channels).
    weights : mapping of str to ndarray
        The layer's, by role.
    length : int
    initial : values
        The first h, and c of an LSTM; None is zeros.

    Returns
    -------
    states : list of values
        Each of shape (units,), by their places in the sequence.
    last : tuple of values
        The last h, and c of an LSTM.
    """
    z = place.dense(x, weights["weight"], weights.get("bias"))
    state: list[Any] = list(initial)
    states: dict[int, T] = {}
    step = {LSTM: _lstm, GRU: _gru}.get(type(layer), _simple)
    recurrent = _Product(place, layer, weights)
    for t in range(length)[::-1] if layer.reverse else range(length):
        row = z
        if length > 1:
            row = place.add(pl.Slice(t, t + 1, axis=0), z)
        row = place.add(pl.Reshape(len(layer.gates) * layer.units), row)
        state = step(place, layer, row, state, recurrent)
        states[t] = state[0]
    return [states[t] for t in range(length)], tuple(state)


class _Product:
    """The product of a state with columns of the recurrent weights, shared by steps."""

    def __init__(self, place: Placer[Any], layer: Recurrent, weights: Weights) -> None:
        self.place, self.units = place, layer.units
        self._all = weights["recurrent_weight"]
        self._bias = weights.get("recurrent_bias")
        self._cut: dict[tuple[int, int], tuple[Array, Array | None]] = {}

    def __call__(self, h: Any, first: int, last: int) -> Any:
        """Multiply by the gates ``first`` … ``last``."""
        if (first, last) not in self._cut:
            cut = slice(first * self.units, last * self.units)
            bias = None if self._bias is None else np.array(self._bias[cut])
            self._cut[first, last] = np.array(self._all[:, cut]), bias
        return self.place.dense(h, *self._cut[first, last])

    def at_zero(self, first: int, last: int) -> Array | None:
        """Return the product with a state of zeros: the bias, None without one."""
        cut = slice(first * self.units, last * self.units)
        return None if self._bias is None else np.array(self._bias[cut])


def _gates(place: Placer[T], x: T, first: int, last: int, units: int, whole: int) -> T:
    if (first, last) == (0, whole):
        return x
    return place.add(pl.Slice(first * units, last * units), x)


def _lstm(
    place: Placer[Any], layer: Any, z: Any, state: Sequence[Any], product: _Product
) -> list[Any]:
    h, c = state
    units = layer.units
    if h is not None:
        z = place.add(pl.Add(), z, product(h, 0, 4))
    i, g, o = (_gates(place, z, n, n + 1, units, 4) for n in (0, 2, 3))
    memory = place.add(
        pl.Multiply(), place.add(pl.Sigmoid(), i), place.add(pl.Tanh(), g)
    )
    if c is not None:
        f = _gates(place, z, 1, 2, units, 4)
        kept = place.add(pl.Multiply(), place.add(pl.Sigmoid(), f), c)
        memory = place.add(pl.Add(), kept, memory)
    gate = place.add(pl.Sigmoid(), o)
    return [place.add(pl.Multiply(), gate, place.add(pl.Tanh(), memory)), memory]


def _gru(
    place: Placer[Any], layer: Any, x: Any, state: Sequence[Any], product: _Product
) -> list[Any]:
    h, units = state[0], layer.units
    zr, n = _gates(place, x, 0, 2, units, 3), _gates(place, x, 2, 3, units, 3)
    if h is not None:
        zr = place.add(pl.Add(), zr, product(h, 0, 2))
    elif (bias := product.at_zero(0, 2)) is not None:
        zr = place.add(pl.Rescale(1.0, tuple(map(float, bias))), zr)
    zr = place.add(pl.Sigmoid(), zr)
    z = _gates(place, zr, 0, 1, units, 2)
    bias = product.at_zero(2, 3)
    if h is not None or bias is not None:
        r = _gates(place, zr, 1, 2, units, 2)
    if h is None:
        if bias is not None:
            reset = place.add(pl.Rescale(tuple(map(float, bias)), 0.0), r)
            n = place.add(pl.Add(), n, reset)
    elif layer.reset_after:
        reset = place.add(pl.Multiply(), r, product(h, 2, 3))
        n = place.add(pl.Add(), n, reset)
    else:
        reset = product(place.add(pl.Multiply(), r, h), 2, 3)
        n = place.add(pl.Add(), n, reset)
    n = place.add(pl.Tanh(), n)
    if h is None:
        rest = place.add(pl.Multiply(), z, n)
        return [place.add(pl.Subtract(), n, rest), None]
    change = place.add(pl.Multiply(), z, place.add(pl.Subtract(), h, n))
    return [place.add(pl.Add(), n, change), None]


def _simple(
    place: Placer[Any], layer: Any, z: Any, state: Sequence[Any], product: _Product
) -> list[Any]:
    h = state[0]
    if h is not None:
        z = place.add(pl.Add(), z, product(h, 0, 1))
    return [place.add(pl.Tanh(), z), None]


class _OfBuilder:
    """Places the layers of an operator in a network that is read."""

    def __init__(self, builder: NetworkBuilder, ref: OperatorRef) -> None:
        self._builder, self._ref = builder, ref

    def add(self, layer: Layer, *inputs: Tensor) -> Tensor:
        """Place a layer."""
        return self._layer(layer, inputs, None)

    def dense(self, x: Tensor, weight: Array, bias: Array | None) -> Tensor:
        """Place a Dense."""
        given = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        layer = pl.Dense(weight.shape[1], bias=bias is not None)
        return self._layer(layer, (x,), given)

    def _layer(
        self, layer: Layer, inputs: Sequence[Tensor], weights: Weights | None
    ) -> Tensor:
        rank = len(layer.output_shape(*(x.shape for x in inputs)))
        axes = tuple(range(rank + 1))
        ref = self._ref.part(layer.stem)
        return self._builder.layer(ref, layer, inputs, weights, axes=axes)


def add_recurrent(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    directions: Sequence[tuple[Recurrent, Weights]],
    *,
    initial: Sequence[Sequence[Tensor | None]] = (),
    wants_states: bool = True,
    wants_memory: bool = False,
) -> tuple[Tensor | None, list[tuple[Tensor, ...]]]:
    """Add a layer, or one for each direction.

    Parameters
    ----------
    builder : NetworkBuilder
    ref : OperatorRef
    x : Tensor
        Held by a node of (length, channels).
    directions : sequence of (layer, weights)
        Layers that return sequences.
    initial : sequence of tensors for each direction, optional
        First states; None is zeros.
    wants_states : bool
        Whether the states of all steps are read, or the last ones alone.
    wants_memory : bool
        Whether the last memory c of an LSTM is read.

    Returns
    -------
    states : Tensor or None
        Of shape (length, units), or (length, directions · units); None where only
        the last ones are wanted.
    last : list of tuples of Tensor
        For each direction the last h and, where it is wanted, c.
    """
    parts: list[Tensor] = []
    last: list[tuple[Tensor, ...]] = []
    for n, (layer, weights) in enumerate(directions):
        name = ref if len(directions) == 1 else ref.part(f"direction_{n}")
        first = [*(initial[n] if initial else ()), None, None][:2]
        if wants_memory or any(value is not None for value in first):
            rows, end = _steps(builder, name, x, (layer, weights), first)
            parts.append(rows)
            last.append(end if wants_memory else end[:1])
        elif wants_states:
            states = builder.layer(name, layer, [x], weights, axes=(0, 1, 2))
            parts.append(states)
            at = 0 if layer.reverse else x.shape[0] - 1
            last.append((_row(builder, ref, states, at),))
        else:
            end_alone = replace(layer, return_sequences=False)
            made = builder.layer(name, end_alone, [x], weights, axes=(0, 1))
            last.append((made,))
    if not wants_states:
        return None, last
    if len(parts) == 1:
        return parts[0], last
    both = builder.layer(ref.part("both"), pl.Concat(), parts, axes=(0, 1, 2))
    return both, last


def _steps(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    direction: tuple[Recurrent, Weights],
    initial: Sequence[Tensor | None],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Add a layer step by step; return all states, and the last ones."""
    (layer, weights), length = direction, x.shape[0]
    if length > MOST_STEPS:
        ref.refuse(
            f"have at most {MOST_STEPS} steps where its first state is a value or its "
            "memory is read",
            str(length),
        )
    place = _OfBuilder(builder, ref)
    rows, end = place_steps(place, layer, x, weights, length=length, initial=initial)
    return join_rows(place, rows, layer.units), end


def _row(builder: NetworkBuilder, ref: OperatorRef, states: Tensor, at: int) -> Tensor:
    """Return one state of a sequence; nothing reads it where only the others count."""
    place = _OfBuilder(builder, ref)
    row = place.add(pl.Slice(at, at + 1, axis=0), states)
    return place.add(pl.Reshape(states.shape[1]), row)


def join_rows(place: Placer[T], rows: Sequence[T], units: int) -> T:
    """Return states as a sequence (length, units)."""
    whole = [place.add(pl.Reshape((1, units)), row) for row in rows]
    return whole[0] if len(whole) == 1 else place.add(pl.Concat(axis=0), *whole)
