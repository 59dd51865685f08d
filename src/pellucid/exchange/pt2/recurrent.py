"""PyTorch's recurrent operators: several layers, each of one or two directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.recurrent import Weights, add_recurrent
from pellucid.exchange.graph.tensor import BATCH, Array, Tensor
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network import layers as pl
from pellucid.network.layers import Recurrent
from pellucid.network.layers.recurrent import gate_order, reorder_gates


def _recurrent(kind: type[Recurrent]) -> Callable[[OperatorView], list[Any]]:
    def read(op: OperatorView) -> list[Any]:
        if "data" in op.arguments:
            op.refuse("read sequences of one length", "packed sequences")
        is_first = bool(op.get("batch_first", False))
        x, states = op.tensor("input"), op.get("hx")
        if len(x.axes) != 3 or x.axes[0 if is_first else 1] != 0:
            op.refuse("run along the sequences of a batch", relayout.show(x))
        if not is_first:
            x = op.builder.transpose(op.ref, x, (1, 0, 2))
        x = relayout.with_axes(op.builder, op.ref.part("sequence"), x, (0, 1, 2))
        states = states if isinstance(states, list) else [states]
        if any(isinstance(s, Tensor) or np.any(s) for s in states if s is not None):
            op.refuse("begin with zeros", "a first state")
        layers = _directions(op, kind)
        ends: list[tuple[Tensor, ...]] = []
        for n, directions in enumerate(layers):
            is_last = n == len(layers) - 1
            ref = op.ref if is_last else op.ref.part(f"layer_{n}")
            wants = kind is pl.LSTM and op.reads_output(2)
            y, last = add_recurrent(op.builder, ref, x, directions, wants_memory=wants)
            if y is None:
                raise TypeError(y)
            x = y
            ends += last
        y = Tensor(x.node, x.shape, (0, 1, 2) if is_first else (1, 0, 2))
        return [y, *(_ends(op, parts) for parts in zip(*ends, strict=True))]

    return read


def _directions(
    op: OperatorView, kind: type[Recurrent]
) -> list[list[tuple[Recurrent, Weights]]]:
    """Return each layer's directions: w_ih, w_hh, and b_ih, b_hh where it has any."""
    has_bias = bool(op.get("has_biases", True))
    arrays = [a for a in op.get("params", []) if a is not None]
    size = 4 if has_bias else 2
    count = 2 if op.get("bidirectional", False) else 1
    layers = int(op.get("num_layers", 1))
    is_whole = all(isinstance(array, np.ndarray) for array in arrays)
    if not is_whole or len(arrays) != layers * count * size:
        op.refuse(f"have {layers * count * size} weights", f"{len(arrays)}")
    parts = [arrays[i : i + size] for i in range(0, len(arrays), size)]
    made = [_direction(kind, part, bool(n % count)) for n, part in enumerate(parts)]
    return [made[i : i + count] for i in range(0, len(made), count)]


def _direction(
    kind: type[Recurrent], arrays: list[Array], reverse: bool
) -> tuple[Recurrent, Weights]:
    weight, recurrent_weight, *biases = arrays
    units = recurrent_weight.shape[1]
    layer = kind(units, return_sequences=True, reverse=reverse, bias=bool(biases))
    weights = {"weight": weight.T, "recurrent_weight": recurrent_weight.T}
    if biases and layer.has_recurrent_bias:
        weights |= {"bias": biases[0], "recurrent_bias": biases[1]}
    elif biases:
        weights["bias"] = biases[0] + biases[1]
    theirs, ours = gate_order(layer, "torch"), "".join(layer.gates)
    return layer, {
        role: np.ascontiguousarray(reorder_gates(array, units, theirs, ours))
        for role, array in weights.items()
    }


def _ends(op: OperatorView, parts: tuple[Tensor, ...]) -> Tensor:
    """Return the last states of layers and directions: (parts, N, units)."""
    first = parts[0]
    if len(parts) == 1:
        return Tensor(first.node, first.shape, (None, 0, 1))
    ref = op.ref.part("last")
    both = op.builder.layer(ref, pl.Concat(), parts, axes=(0, 1))
    cut = pl.Reshape((len(parts), first.shape[0]))
    return op.builder.layer(ref, cut, [both], axes=(1, 0, 2))


def zeros(op: OperatorView) -> Array:
    """Zeros of a shape in which the batch is one example, which stands for all."""
    return np.zeros([1 if n == BATCH else n for n in op.get("size")], np.float32)


def _refuse_relu(op: OperatorView) -> Any:
    op.refuse("have nonlinearity='tanh', as SimpleRNN has", "'relu'")


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "gru": _recurrent(pl.GRU),
    "lstm": _recurrent(pl.LSTM),
    "new_zeros": zeros,
    "rnn_relu": _refuse_relu,
    "rnn_tanh": _recurrent(pl.SimpleRNN),
    "zeros": zeros,
}
