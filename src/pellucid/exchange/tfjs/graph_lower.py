"""Lower a TensorFlow graph to LiteRT's operators, which its reader knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.graph import Graph, Operator, Value
from pellucid.exchange.tfjs import graph_moves, graph_windows
from pellucid.exchange.tfjs.graph_moves import Lower
from pellucid.exchange.tfjs.graph_nodes import Node, node_of
from pellucid.exchange.tfjs.graph_windows import ACTIVATIONS

Array = npt.NDArray[Any]
#: operators that are LiteRT's by another name, with the same inputs
_RENAMED = {
    "Add": "ADD",
    "AddV2": "ADD",
    "BatchToSpaceND": "BATCH_TO_SPACE_ND",
    "BiasAdd": "ADD",
    "BroadcastTo": "BROADCAST_TO",
    "Cast": "CAST",
    "Equal": "EQUAL",
    "Greater": "GREATER",
    "GreaterEqual": "GREATER_EQUAL",
    "Less": "LESS",
    "LessEqual": "LESS_EQUAL",
    "LogicalAnd": "LOGICAL_AND",
    "LogicalNot": "LOGICAL_NOT",
    "LogicalOr": "LOGICAL_OR",
    "Maximum": "MAXIMUM",
    "Minimum": "MINIMUM",
    "Mul": "MUL",
    "NotEqual": "NOT_EQUAL",
    "Pad": "PAD",
    "PadV2": "PADV2",
    "Pow": "POW",
    "Prelu": "PRELU",
    "RealDiv": "DIV",
    "Reshape": "RESHAPE",
    "Select": "SELECT",
    "SelectV2": "SELECT_V2",
    "Shape": "SHAPE",
    "Slice": "SLICE",
    "SpaceToBatchND": "SPACE_TO_BATCH_ND",
    "SquaredDifference": "SQUARED_DIFFERENCE",
    "Sub": "SUB",
    "Tile": "TILE",
    "Transpose": "TRANSPOSE",
}
_SAME = ("Identity", "StopGradient", "CheckNumerics", "PlaceholderWithDefault")


class GraphLowerer:
    """A graph while it is lowered.

    Parameters
    ----------
    name : str
        Of the graph.
    constants : mapping of str to array
        By node.
    """

    def __init__(self, name: str, constants: Mapping[str, Array]) -> None:
        self.graph = Graph(name=name)
        self.constants = constants
        self.places: dict[str, list[int]] = {}

    def enter(self, node: Node, shape: tuple[int, ...], *, is_single: bool) -> None:
        """Place an input: one example's shape; ``is_single`` for a batch of one."""
        axes = tuple(range(1, len(shape) + 1))
        value = Value(
            name=node.name,
            shape=(1, *shape),
            free_axes=axes,
            is_any_batch=not is_single,
        )
        number = self.graph.add(value)
        self.places[node.name] = [number]
        if number:
            self.graph.more_inputs += (number,)

    def add(self, node: Node) -> None:
        """Lower one node; ExchangeError if LiteRT has nothing like it."""
        if node.operator == "Const":
            array = self.constants.get(node.name)
            if array is None:
                node.ref.refuse("have its numbers in the weights", "none")
            self.places[node.name] = [self.graph.constant(node.name, array)]
        elif node.operator in _SAME:
            self.places[node.name] = [self.place(node, 0)]
        else:
            made = self._lower(node)
            self.places[node.name] = made if isinstance(made, list) else [made]

    def _lower(self, node: Node) -> int | list[int]:
        if node.operator in _RENAMED:
            inputs = [self.place(node, i) for i in range(len(node.inputs))]
            return self.emit(node, _RENAMED[node.operator], inputs)
        if node.operator in ACTIVATIONS:
            return self.emit(node, ACTIVATIONS[node.operator], [self.place(node, 0)])
        lower = _LOWER.get(node.operator)
        if lower is None:
            node.ref.refuse(
                "be an operator that a layer expresses exactly", node.operator
            )
        return lower(self, node)

    def emit(self, node: Node, kind: str, inputs: Sequence[int], **options: Any) -> int:
        """Add an operator and return the value that it makes."""
        (made,) = self.emit_several(node, kind, inputs, 1, **options)
        return made

    def emit_several(
        self, node: Node, kind: str, inputs: Sequence[int], count: int, **options: Any
    ) -> list[int]:
        """Add an operator and return the values that it makes."""
        made = [self.graph.add(Value(name=node.name, shape=())) for _ in range(count)]
        given = {"fused_activation_function": 0, **options}
        known = schema.KINDS[kind].options if kind in schema.KINDS else given
        kept = {key: value for key, value in given.items() if key in known}
        self.graph.operators.append(
            Operator(kind=kind, inputs=tuple(inputs), outputs=tuple(made), options=kept)
        )
        return made

    def place(self, node: Node, at: int) -> int:
        """Return the value of an input."""
        return self.named(node.ref, node.inputs[at])

    def named(self, ref: OperatorRef, name: str) -> int:
        """Return the value that a node makes: ``name``, or its i-th, ``name:i``."""
        made, at = self.places[node_of(name)], name.partition(":")[2] or "0"
        if not at.isdigit() or int(at) >= len(made):
            ref.refuse("read an output that its node has", name)
        return made[int(at)]

    def array(self, node: Node, at: int) -> Array:
        """Return an input that is a constant."""
        array = self.graph.values[self.place(node, at)].array
        if array is None:
            node.ref.refuse(f"have a constant as input {at}", "a value")
        return array

    def constant(self, node: Node, array: Array) -> int:
        """Add a constant."""
        return self.graph.constant(node.name, array)


def _batch_norm(low: GraphLowerer, node: Node) -> int:
    """FusedBatchNormV3 at inference: ``x · s + (offset − mean · s)``."""
    node.only(data_format="NHWC", is_training=False)
    scale, offset, mean, variance = (
        low.array(node, i).astype(np.float64) for i in range(1, 5)
    )
    by = scale / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-4)))
    plus = offset - mean * by
    factors = [low.constant(node, a.astype(np.float32)) for a in (by, plus)]
    scaled = low.emit(node, "MUL", [low.place(node, 0), factors[0]])
    return low.emit(node, "ADD", [scaled, factors[1]])


def _reduce(kind: str) -> Callable[[GraphLowerer, Node], int]:
    def lower(low: GraphLowerer, node: Node) -> int:
        axes = low.constant(node, low.array(node, 1).reshape(-1).astype(np.int32))
        keep = bool(node.attributes.get("keep_dims"))
        return low.emit(node, kind, [low.place(node, 0), axes], keep_dims=keep)

    return lower


def _sum(low: GraphLowerer, node: Node) -> int:
    made = low.place(node, 0)
    for i in range(1, len(node.inputs)):
        made = low.emit(node, "ADD", [made, low.place(node, i)])
    return made


def _clip(low: GraphLowerer, node: Node) -> int:
    x, minimum, maximum = (low.place(node, i) for i in range(3))
    above = low.emit(node, "MAXIMUM", [x, minimum])
    return low.emit(node, "MINIMUM", [above, maximum])


def _number(low: GraphLowerer, node: Node, value: float) -> int:
    return low.constant(node, np.asarray(value, np.float32))


def _reciprocal(low: GraphLowerer, node: Node) -> int:
    return low.emit(node, "DIV", [_number(low, node, 1), low.place(node, 0)])


def _softplus(low: GraphLowerer, node: Node) -> int:
    """``max(x, 0) + ln(1 + e^−|x|)``: without overflow."""
    x = low.place(node, 0)
    size = low.emit(node, "NEG", [low.emit(node, "ABS", [x])])
    power = low.emit(node, "EXP", [size])
    whole = low.emit(node, "ADD", [power, _number(low, node, 1)])
    rest = low.emit(node, "LOG", [whole])
    return low.emit(node, "ADD", [low.emit(node, "RELU", [x]), rest])


def _softmax(low: GraphLowerer, node: Node) -> int:
    return low.emit(node, "SOFTMAX", [low.place(node, 0)], beta=1.0)


def _leaky(low: GraphLowerer, node: Node) -> int:
    alpha = float(node.attributes.get("alpha", 0.2))
    return low.emit(node, "LEAKY_RELU", [low.place(node, 0)], alpha=alpha)


_LOWER: dict[str, Lower] = {
    **graph_moves.LOWER,
    **graph_windows.LOWER,
    "AddN": _sum,
    "ClipByValue": _clip,
    "FusedBatchNorm": _batch_norm,
    "FusedBatchNormV2": _batch_norm,
    "FusedBatchNormV3": _batch_norm,
    "LeakyRelu": _leaky,
    "Max": _reduce("REDUCE_MAX"),
    "Mean": _reduce("MEAN"),
    "Min": _reduce("REDUCE_MIN"),
    "Reciprocal": _reciprocal,
    "Softmax": _softmax,
    "Softplus": _softplus,
    "Sum": _reduce("SUM"),
}
