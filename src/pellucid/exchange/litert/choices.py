"""LiteRT's comparisons, logic of their results, choices by them, and casts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.graph.choosing import combine
from pellucid.exchange.litert.operator_view import OperatorView

_TYPES = {"float32": np.float32, "int32": np.int32, "int64": np.int64, "bool": np.bool_}


def _reader(kind: str) -> Callable[[OperatorView], Any]:
    return lambda op: combine(op.builder, op.ref, kind, op.values)


def _cast(op: OperatorView) -> Any:
    """CAST: of a condition, whose values are ones and zeros; of a constant."""
    before, after = (
        op.graph.values[number].dtype
        for number in (op.operator.inputs[0], op.operator.outputs[0])
    )
    if isinstance(op.values[0], np.ndarray) and after in _TYPES:
        return op.array(0).astype(_TYPES[after])
    if before != after and (before, after) != ("bool", "float32"):
        op.refuse("cast conditions to float32", f"{before} to {after}")
    return op.tensor()


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "CAST": _cast,
    "EQUAL": _reader("equal"),
    "GREATER": _reader("greater"),
    "GREATER_EQUAL": _reader("greater_equal"),
    "LESS": _reader("less"),
    "LESS_EQUAL": _reader("less_equal"),
    "LOGICAL_AND": _reader("and"),
    "LOGICAL_NOT": _reader("not"),
    "LOGICAL_OR": _reader("or"),
    "NOT_EQUAL": _reader("not_equal"),
    "SELECT": _reader("where"),
    "SELECT_V2": _reader("where"),
}
