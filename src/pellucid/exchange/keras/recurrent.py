"""Keras' recurrent layers, and layers around layers: read, and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.keras.operator_view import OperatorView
from pellucid.exchange.keras.write_context import WriteContext
from pellucid.network import layers as pl
from pellucid.network.layers import Recurrent

Reader = Callable[[OperatorView], Tensor]
KINDS: dict[str, type[Recurrent]] = {
    "GRU": pl.GRU,
    "LSTM": pl.LSTM,
    "SimpleRNN": pl.SimpleRNN,
}
#: layers that do the same to every element of a sequence
_BY_ELEMENT = (
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "ELU",
    "LayerNormalization",
    "LeakyReLU",
    "ReLU",
    "Softmax",
)
_MERGES = {"sum": pl.Add, "mul": pl.Multiply}


def recurrent(op: OperatorView) -> Tensor:
    """LSTM, GRU and SimpleRNN: backwards, states come in the order they are made."""
    made = _one(op, op.ref.operator, op.config)
    op.config = {**op.config, "activation": None}  # which is the layer's own
    is_turned = op.get("go_backwards", False) and op.get("return_sequences", False)
    return _turn(op, made) if is_turned else made


def _turn(op: OperatorView, x: Tensor) -> Tensor:
    turned = relayout.take(op.builder, op.ref.part("turned"), x, [(1, None, None, -1)])
    return replace(turned)


def _one(op: OperatorView, kind: str, config: dict[str, Any]) -> Tensor:
    """Add one layer; backwards, each state stands at its place in the sequence."""
    view = replace(op, config=config)
    x = op.inputs[0]
    view.only(return_state=False, stateful=False, time_major=False)
    has_gates = kind != "SimpleRNN"
    view.only(**({"recurrent_activation": "sigmoid"} if has_gates else {}))
    view.only(activation="tanh")
    if len(x.shape) != 2 or x.axes != (0, 1, 2):
        op.ref.refuse("read sequences (N, length, channels)", relayout.show(x))
    weight, recurrent_weight = op.array(), op.array()
    bias = op.array() if view.get("use_bias", True) else None
    settings: dict[str, Any] = {
        "return_sequences": bool(view.get("return_sequences", False)),
        "reverse": bool(view.get("go_backwards", False)),
    }
    if kind == "GRU":
        is_two = bias is not None and bias.ndim == 2
        settings["reset_after"] = bool(view.get("reset_after", is_two))
    layer = KINDS[kind](int(view.get("units")), bias=bias is not None, **settings)
    weights = {"weight": weight, "recurrent_weight": recurrent_weight}
    if bias is not None and layer.has_recurrent_bias:
        weights |= {"bias": bias[0], "recurrent_bias": bias[1]}
    elif bias is not None:
        weights["bias"] = bias
    axes = (0, 1, 2) if layer.return_sequences else (0, 1)
    return op.builder.layer(op.ref, layer, [x], weights, axes=axes)


def bidirectional(op: OperatorView) -> Tensor:
    """A recurrent layer and one that reads from the end, joined."""
    forward = op.config["layer"]
    kind, config = str(forward["class_name"]), dict(forward["config"])
    if kind not in KINDS:
        op.ref.refuse(f"hold one of {', '.join(KINDS)}", kind)
    if config.get("go_backwards"):
        op.ref.refuse("hold a layer that reads forwards", "go_backwards=True")
    given = op.get("backward_layer")
    other = dict(given["config"]) if isinstance(given, dict) else dict(config)
    other["go_backwards"] = True
    halves = np.array_split(np.arange(len(op.arrays)), 2)
    parts = []
    for name, own, half in zip(
        ("forward", "backward"), (config, other), halves, strict=True
    ):
        ref = OperatorRef(kind, f"{op.ref.name}_{name}")
        arrays = [op.arrays[i] for i in half]
        parts.append(_one(replace(op, ref=ref, arrays=arrays, taken=0), kind, own))
    return _merge(op, parts)


def _merge(op: OperatorView, parts: list[Tensor]) -> Tensor:
    mode = op.config.get("merge_mode", "concat")
    if mode == "concat":
        return op.builder.concat(op.ref, parts, -1)
    if mode in _MERGES:
        return op.builder.arithmetic(op.ref, _MERGES[mode](), parts)
    if mode == "ave":
        both = op.builder.arithmetic(op.ref.part("sum"), pl.Add(), parts)
        half = np.full(1, 0.5, np.float32)
        return op.builder.affine(op.ref, both, scale=half)
    op.ref.refuse("merge by concat, sum, mul or ave", repr(mode))


def time_distributed(
    readers: dict[str, Reader], activation: Callable[[OperatorView, Tensor], Tensor]
) -> Reader:
    """Return a reader of TimeDistributed around a layer of the last axis alone."""

    def read(op: OperatorView) -> Tensor:
        inner = op.config["layer"]
        kind = str(inner["class_name"])
        if kind not in _BY_ELEMENT:
            op.ref.refuse(f"hold one of {', '.join(_BY_ELEMENT)}", kind)
        ref = OperatorRef(kind, op.ref.name)
        view = replace(op, ref=ref, config=inner["config"])
        return activation(view, readers[kind](view))

    return read


def write_recurrent(context: WriteContext) -> None:
    """Write a layer whose states Keras returns at their places."""
    layer = context.layer
    (kind,) = [name for name, made in KINDS.items() if type(layer) is made]
    weight, recurrent_weight, *biases = context.weights.values()
    bias = [np.stack(biases)] if layer.has_recurrent_bias else biases
    config: dict[str, Any] = {
        "units": layer.units,
        "activation": "tanh",
        "use_bias": layer.bias,
        "return_sequences": layer.return_sequences,
        "go_backwards": layer.reverse,
        "trainable": layer.trainable,
    }
    if kind != "SimpleRNN":
        config["recurrent_activation"] = "sigmoid"
    if kind == "GRU":
        config["reset_after"] = layer.reset_after
    context.add_layer(kind, weight, recurrent_weight, *bias, place="cell", **config)
