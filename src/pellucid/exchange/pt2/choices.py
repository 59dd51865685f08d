"""PyTorch's comparisons, logic of their results, and choices by them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.exchange.graph.choosing import combine
from pellucid.exchange.graph.selecting import is_truth
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.pt2.operator_view import OperatorView


def _value(op: OperatorView, name: str) -> Tensor | Array:
    """Return an argument: a value, or a constant as an array."""
    given = op.arguments.get(name)
    if given is None:
        op.refuse(f"have the argument {name}", "none")
    if isinstance(given, Tensor):
        return given
    array: Array = np.asarray(given, np.float32)
    return array


def _truth(op: OperatorView, name: str) -> Tensor | Array:
    """Return whether an argument is not 0, as ones and zeros."""
    value = _value(op, name)
    if not isinstance(value, Tensor):
        bits: Array = (value != 0).astype(np.float32)
        return bits
    if is_truth(op.builder, value.node):
        return value
    zero = np.zeros((), np.float32)
    return combine(op.builder, op.ref.part(name), "not_equal", [value, zero])


def _logic(kind: str, *names: str) -> Callable[[OperatorView], Tensor]:
    return lambda op: combine(op.builder, op.ref, kind, [_truth(op, n) for n in names])


def _reader(kind: str, *names: str) -> Callable[[OperatorView], Tensor]:
    return lambda op: combine(op.builder, op.ref, kind, [_value(op, n) for n in names])


_OF_TWO = {
    "eq": "equal",
    "ge": "greater_equal",
    "gt": "greater",
    "le": "less_equal",
    "lt": "less",
    "ne": "not_equal",
}
_OF_BITS = ("and", "or", "xor")
_FUNCTIONS: dict[str, Callable[[OperatorView], Tensor]] = {
    **{name: _reader(kind, "self", "other") for name, kind in _OF_TWO.items()},
    **{f"bitwise_{kind}": _logic(kind, "self", "other") for kind in _OF_BITS},
    **{f"logical_{kind}": _logic(kind, "self", "other") for kind in _OF_BITS},
    "bitwise_not": _logic("not", "self"),
    "logical_not": _logic("not", "self"),
    "masked_fill": _reader("where", "mask", "value", "self"),
    "where": _reader("where", "condition", "self", "other"),
}
#: with those that work in place
READERS = {**_FUNCTIONS, **{f"{name}_": read for name, read in _FUNCTIONS.items()}}
