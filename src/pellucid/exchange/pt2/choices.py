"""PyTorch's comparisons, logic of their results, and choices by them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.exchange.graph.choosing import combine
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.pt2.operator_view import OperatorView


def _value(op: OperatorView, name: str) -> Tensor | Array:
    """Return an argument: a value, or a constant as an array."""
    given = op.arguments.get(name)
    if given is None:
        op.refuse(f"have the argument {name}", "none")
    return given if isinstance(given, Tensor) else np.asarray(given, np.float32)


def _reader(kind: str, *names: str) -> Callable[[OperatorView], Tensor]:
    return lambda op: combine(op.builder, op.ref, kind, [_value(op, n) for n in names])


_OF_TWO = {
    "bitwise_and": "and",
    "bitwise_or": "or",
    "bitwise_xor": "xor",
    "eq": "equal",
    "ge": "greater_equal",
    "gt": "greater",
    "le": "less_equal",
    "logical_and": "and",
    "logical_or": "or",
    "logical_xor": "xor",
    "lt": "less",
    "ne": "not_equal",
}
_FUNCTIONS: dict[str, Callable[[OperatorView], Tensor]] = {
    **{name: _reader(kind, "self", "other") for name, kind in _OF_TWO.items()},
    "bitwise_not": _reader("not", "self"),
    "logical_not": _reader("not", "self"),
    "masked_fill": _reader("where", "mask", "value", "self"),
    "where": _reader("where", "condition", "self", "other"),
}
#: with those that work in place
READERS = {**_FUNCTIONS, **{f"{name}_": read for name, read in _FUNCTIONS.items()}}
