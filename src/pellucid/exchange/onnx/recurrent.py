"""ONNX's recurrent operators: read, and written.

References
----------
ONNX operators LSTM, GRU and RNN, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.recurrent import Weights, add_recurrent
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.exchange.onnx.write_context import WriteContext
from pellucid.network import layers as pl
from pellucid.network.layers import Recurrent
from pellucid.network.layers.recurrent import gate_order, reorder_gates

KINDS: dict[str, type[Recurrent]] = {
    "GRU": pl.GRU,
    "LSTM": pl.LSTM,
    "RNN": pl.SimpleRNN,
}
_ACTIVATIONS = {
    "GRU": ["Sigmoid", "Tanh"],
    "LSTM": ["Sigmoid", "Tanh", "Tanh"],
    "RNN": ["Tanh"],
}


def recurrent(op: OperatorView) -> list[Tensor | None]:
    """LSTM, GRU and RNN: all states, the last ones, and the last memories."""
    name = op.operator
    layout = int(op.attribute("layout", 0))
    x = _sequence(op, op.tensor(), layout)
    names = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    reverse = names.get(str(op.attribute("direction", "forward")))
    if reverse is None:
        op.refuse("have a known direction", repr(op.attribute("direction")))
    _check(op, len(reverse), x.shape[0])
    directions = [_direction(op, n, r) for n, r in enumerate(reverse)]
    units = directions[0][0].units
    given = (5, 6) if name == "LSTM" else (5,)
    states = [_initial(op, index, layout, len(reverse), units) for index in given]
    initial = [tuple(s[n] for s in states) for n in range(len(reverse))]
    outputs = [*op.outputs, "", "", ""]
    made, last = add_recurrent(
        op.builder,
        op.ref,
        x,
        directions,
        initial=initial,
        wants_states=bool(outputs[0]),
        wants_memory=name == "LSTM" and bool(outputs[2]),
    )
    whole = None if made is None else _all_states(op, made, len(reverse), layout)
    ends = [_last_states(op, parts, layout) for parts in zip(*last, strict=True)]
    return [whole, *ends]


def _sequence(op: OperatorView, x: Tensor, layout: int) -> Tensor:
    """Return x as a node of (length, channels)."""
    if len(x.axes) != 3 or x.axes[0 if layout else 1] != 0:
        op.refuse("run along the sequences of a batch", relayout.show(x))
    if not layout:
        x = op.builder.transpose(op.ref, x, (1, 0, 2))
    return relayout.with_axes(op.builder, op.ref.part("sequence"), x, (0, 1, 2))


def _check(op: OperatorView, directions: int, length: int) -> None:
    wanted = _ACTIVATIONS[op.operator] * directions
    given = op.attribute("activations", wanted)
    if [str(name).capitalize() for name in given] != wanted:
        op.refuse(f"have the activations {', '.join(wanted)}", ", ".join(given))
    op.only(input_forget=0)
    if "clip" in op.attributes:
        op.refuse("have no clip", str(op.attribute("clip")))
    lengths = op.constant(4, np.asarray(length))
    if (np.asarray(lengths) != length).any():
        op.refuse("read whole sequences", f"sequence_lens={lengths.tolist()}")
    if op.operator == "LSTM" and np.any(op.constant(7, np.zeros(1))):
        op.refuse("have no peepholes", "P")


def _direction(op: OperatorView, n: int, reverse: bool) -> tuple[Recurrent, Weights]:
    kind = KINDS[op.operator]
    count = len(kind.gates)
    weight, recurrent_weight = op.weight(1, 3)[n].T, op.weight(2, 3)[n].T
    units = recurrent_weight.shape[0]
    if recurrent_weight.shape[1] != count * units:
        op.refuse(f"have {count} gates", f"{recurrent_weight.shape}")
    settings: dict[str, Any] = {"return_sequences": True, "reverse": reverse}
    if kind is pl.GRU:
        settings["reset_after"] = bool(op.attribute("linear_before_reset", 0))
    layer = kind(units, bias=op.has(3), **settings)
    ours, theirs = "".join(layer.gates), gate_order(layer, "onnx")
    weights = {"weight": weight, "recurrent_weight": recurrent_weight}
    if op.has(3):
        first, second = np.split(op.weight(3, 2)[n], 2)
        if layer.has_recurrent_bias:
            weights |= {"bias": first, "recurrent_bias": second}
        else:
            weights["bias"] = first + second
    return layer, {
        role: np.ascontiguousarray(reorder_gates(array, units, theirs, ours))
        for role, array in weights.items()
    }


def _initial(
    op: OperatorView, index: int, layout: int, directions: int, units: int
) -> list[Tensor | None]:
    """Return the first state of each direction; None is zeros."""
    given = op.inputs[index] if op.has(index) else None
    if given is None:
        return [None] * directions
    if not isinstance(given, Tensor):
        if np.any(given):
            op.refuse("begin with zeros, or with a value", f"input {index}")
        return [None] * directions
    x = given if layout else op.builder.transpose(op.ref, given, (1, 0, 2))
    if x.foreign_shape[1:] != (directions, units) or x.axes[0] != 0:
        op.refuse(f"begin with states of {units} units", relayout.show(given))
    ref = op.ref.part("initial")
    if directions == 1:
        return [op.builder.vector(op.builder.squeeze(ref, x, [1]))]
    x = relayout.with_axes(op.builder, ref, x, (0, 1, 2))
    parts = []
    for n in range(directions):
        row = op.builder.layer(ref, pl.Slice(n, n + 1, axis=0), [x], axes=(0, 1, 2))
        parts.append(op.builder.layer(ref, pl.Reshape(units), [row], axes=(0, 1)))
    return list(parts)


def _all_states(op: OperatorView, states: Tensor, count: int, layout: int) -> Tensor:
    """Return Y: (length, directions, N, units), or (N, length, directions, units)."""
    if count == 1:
        axes: tuple[int | None, ...] = (0, 1, None, 2) if layout else (1, None, 0, 2)
        return Tensor(states.node, states.shape, axes)
    shape = states.shape[0], count, states.shape[1] // count
    cut = pl.Reshape(shape)
    axes = (0, 1, 2, 3) if layout else (1, 2, 0, 3)
    return op.builder.layer(op.ref.part("directions"), cut, [states], axes=axes)


def _last_states(op: OperatorView, parts: tuple[Tensor, ...], layout: int) -> Tensor:
    """Return Y_h or Y_c: (directions, N, units), or (N, directions, units)."""
    first = parts[0]
    if len(parts) == 1:
        axes: tuple[int | None, ...] = (0, None, 1) if layout else (None, 0, 1)
        return Tensor(first.node, first.shape, axes)
    ref = op.ref.part("last")
    both = op.builder.layer(ref, pl.Concat(), parts, axes=(0, 1))
    axes = (0, 1, 2) if layout else (1, 0, 2)
    cut = pl.Reshape((len(parts), first.shape[0]))
    return op.builder.layer(ref, cut, [both], axes=axes)


def write_recurrent(context: WriteContext) -> str:
    """Write an operator between its layout, the sequence first, and ours."""
    layer = context.layer
    (kind,) = [name for name, made in KINDS.items() if type(layer) is made]
    order = "".join(layer.gates), gate_order(layer, "onnx")

    def arrange(array: Array) -> Array:
        return reorder_gates(array, layer.units, *order)

    x = context.add_part("Transpose", context.inputs, "sequence", perm=[1, 0, 2])
    inputs = [x]
    for role in ("weight", "recurrent_weight"):
        array = arrange(context.weights[role]).T[None]
        inputs.append(context.add_weight(role, array))
    if layer.bias:
        first = arrange(context.weights["bias"])
        second = context.weights.get("recurrent_bias")
        second = np.zeros_like(first) if second is None else arrange(second)
        whole = np.concatenate((first, second))[None]
        inputs.append(context.add_weight("bias", whole))
    how: dict[str, Any] = {"hidden_size": layer.units}
    if layer.reverse:
        how["direction"] = "reverse"
    if kind == "GRU":
        how["linear_before_reset"] = int(layer.reset_after)
    states, last = context.add_outputs(kind, inputs, ("states", "last"), **how)
    if not layer.return_sequences:
        axes = context.add_numbers("axes", [0])
        return context.add_operator("Squeeze", [last, axes])
    axes = context.add_numbers("axes", [1])
    row = context.add_part("Squeeze", [states, axes], "row")
    return context.add_operator("Transpose", [row], perm=[1, 0, 2])
