"""Translate a LiteRT graph to the graph IR: kinds, attributes, shapes, constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import ir
from pellucid.exchange.graph.tensor import BATCH
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.graph import Graph, Operator, Value
from pellucid.network.layers import Shape

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """An operator of the file, or the activation that is fused to it."""

    operator: Operator
    is_activation: bool = False


def translate(graph: Graph, *, batch: int | None) -> ir.Graph:
    """Return a graph's operators in the IR; values are named by their numbers.

    ``batch`` is how many examples the file takes, where it fixes that.
    """
    made = ir.Graph(outputs=[str(i) for i in graph.all_outputs])
    # else shapes are made up
    is_sized = not any(graph.values[i].free_axes for i in graph.all_inputs)
    for i, value in enumerate(graph.values):
        if value.array is not None:
            made.constants[str(i)] = value.array
        elif value.dtype == "float32" and is_sized:
            made.shapes[str(i)] = _shape(value, batch)
    for operator in graph.operators:
        _translate(graph, operator, made)
    return made


def ref_of(graph: Graph, operator: Operator) -> OperatorRef:
    """Return how errors call an operator: by the name of its output."""
    name = graph.values[operator.outputs[0]].name
    shown = {k: v for k, v in operator.options.items() if v is not None}
    return OperatorRef(operator.kind, name.split(";")[0], shown)


def is_integer_operator(graph: Graph, operator: Operator) -> bool:
    """Whether an operator reads or makes integers that stand for real numbers."""
    numbers = (i for i in (*operator.inputs, *operator.outputs) if i >= 0)
    return any(graph.values[i].is_quantized for i in numbers)


def _shape(value: Value, batch: int | None) -> Shape:
    """Return a shape with `BATCH`, for which the file has 1, in front."""
    if batch is not None or not value.shape:
        return value.shape
    return (value.shape[0] * BATCH, *value.shape[1:])


def _translate(graph: Graph, operator: Operator, made: ir.Graph) -> None:
    inputs = [  # a state of an operator's own is left out: it begins with zeros
        "" if i < 0 or graph.values[i].is_variable else str(i) for i in operator.inputs
    ]
    outputs = [str(i) for i in operator.outputs]
    ref = ref_of(graph, operator)
    constant = made.constants.get(inputs[0]) if inputs else None
    is_half = constant is not None and constant.dtype == np.float16
    if constant is not None and is_half and operator.kind == "DEQUANTIZE":
        made.constants[outputs[0]] = constant.astype(np.float32)  # which is exact
        return
    if constant is not None and operator.kind == "DENSIFY":
        made.constants[outputs[0]] = constant  # whose zeros are there
        return
    if constant is not None and operator.kind == "DEQUANTIZE":
        real = graph.values[operator.inputs[0]].real
        if real is not None:
            made.constants[outputs[0]] = real
            return
    kind, attributes = operator.kind, dict[str, Any]()
    fused = None
    if not is_integer_operator(graph, operator):  # which passes do not understand
        kind, attributes = _kind(graph, operator, inputs, outputs, made)
        fused = _fused(operator)
    if fused is not None:
        inner = f"{outputs[0]}/linear"
        made.shapes[inner] = made.shapes.get(outputs[0], ())
        whole, outputs = outputs, [inner]
    made.add(
        ir.Operator(
            kind=kind,
            inputs=inputs,
            outputs=outputs,
            ref=ref,
            attributes=attributes,
            foreign=Foreign(operator),
        )
    )
    if fused is not None:
        made.add(
            ir.Operator(
                kind=fused[0],
                inputs=[inner],
                outputs=whole,
                ref=replace(ref, operator=fused[1]),
                attributes=_CLIPS.get(fused[1], {}),
                foreign=Foreign(operator, is_activation=True),
            )
        )


#: operators whose activation is inside
_OWN_ACTIVATIONS = frozenset({"UNIDIRECTIONAL_SEQUENCE_LSTM"})


def _fused(operator: Operator) -> tuple[str, str] | None:
    """Return kind and name of the activation that is fused to an operator."""
    if operator.kind in _OWN_ACTIVATIONS:
        return None
    number = operator.options.get("fused_activation_function") or 0
    known = 0 <= number < len(schema.ACTIVATIONS)
    name = schema.ACTIVATIONS[number] if known else str(number)
    return None if name == "NONE" else (_PLAIN.get(name, name), name)


def _kind(
    graph: Graph,
    operator: Operator,
    inputs: list[str],
    outputs: list[str],
    made: ir.Graph,
) -> tuple[str, Attributes]:
    """Return an operator's kind in the IR and its attributes there."""
    plain = _PLAIN.get(operator.kind)
    if plain is not None:
        return plain, _CLIPS.get(operator.kind, {})
    given = _KINDS.get(operator.kind)
    attributes = (
        None if given is None else given[1](graph, operator, inputs, outputs, made)
    )
    return (
        (operator.kind, {})
        if given is None or attributes is None
        else (
            given[0],
            attributes,
        )
    )


_Read = Callable[[Graph, Operator, list[str], list[str], ir.Graph], Attributes | None]


def _ints(inputs: list[str], made: ir.Graph) -> tuple[int, ...] | None:
    """Return the whole numbers that the second input is."""
    array = made.constants.get(inputs[1]) if len(inputs) > 1 else None
    if array is None or array.dtype.kind not in "iu":
        return None
    return tuple(int(n) for n in array.ravel())


def _mean(
    graph: Graph,
    operator: Operator,
    inputs: list[str],
    outputs: list[str],
    made: ir.Graph,
) -> Attributes | None:
    axes, rank = _ints(inputs, made), len(graph.values[operator.inputs[0]].shape)
    if not axes or not rank or not all(-rank <= axis < rank for axis in axes):
        return None
    every = tuple(sorted(axis % rank for axis in axes))
    return {"axes": every, "keepdims": bool(operator.options.get("keep_dims"))}


def _view(
    graph: Graph,
    operator: Operator,
    inputs: list[str],
    outputs: list[str],
    made: ir.Graph,
) -> Attributes | None:
    is_known = inputs[0] in made.shapes and outputs[0] in made.shapes
    return {} if is_known else None


def _permutation(
    graph: Graph,
    operator: Operator,
    inputs: list[str],
    outputs: list[str],
    made: ir.Graph,
) -> Attributes | None:
    order, rank = _ints(inputs, made), len(graph.values[operator.inputs[0]].shape)
    is_whole = order is not None and sorted(order) == list(range(rank))
    return {"perm": order} if is_whole else None


def _repeats(
    graph: Graph,
    operator: Operator,
    inputs: list[str],
    outputs: list[str],
    made: ir.Graph,
) -> Attributes | None:
    repeats = _ints(inputs, made)
    return None if repeats is None else {"repeats": repeats}


_PLAIN = {
    "ADD": "add",
    "DIV": "divide",
    "EXP": "exp",
    "LOG": "log",
    "LOGISTIC": "sigmoid",
    "MAXIMUM": "maximum",
    "MINIMUM": "minimum",
    "MUL": "multiply",
    "NEG": "negate",
    "POW": "power",
    "RELU": "relu",
    "RELU6": "clip",
    "RELU_N1_TO_1": "clip",
    "RSQRT": "rsqrt",
    "SQRT": "sqrt",
    "SQUARED_DIFFERENCE": "squared_difference",
    "SUB": "subtract",
    "TANH": "tanh",
}
_CLIPS: dict[str, Attributes] = {
    "RELU6": {"low": 0.0, "high": 6.0},
    "RELU_N1_TO_1": {"low": -1.0, "high": 1.0},
}
_KINDS: dict[str, tuple[str, _Read]] = {
    "EXPAND_DIMS": ("reshape", _view),
    "MEAN": ("mean", _mean),
    "RESHAPE": ("reshape", _view),
    "SQUEEZE": ("reshape", _view),
    "SUM": ("sum", _mean),
    "TILE": ("tile", _repeats),
    "TRANSPOSE": ("transpose", _permutation),
}
