"""Chains of plain elementwise operators, read as one expression of one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.errors import NetworkError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import Tensor
from pellucid.network import layers as pl
from pellucid.network.expression import Expression, variable
from pellucid.network.expression.nodes import build


@dataclass(frozen=True, slots=True)
class Partial:
    """An expression of a tensor that may go on; no node yet."""

    x: Tensor
    expression: Expression


def extend(ref: OperatorRef, operator: str, inputs: Sequence[Any]) -> Partial:
    """Apply an operator to tensors, partial functions and numbers.

    Raises
    ------
    ExchangeError
        If the inputs come of two tensors, or the expression grows too large.
    """
    bases = [v.x if isinstance(v, Partial) else v for v in inputs]
    tensors = [v for v in bases if isinstance(v, Tensor)]
    if not tensors or any(t.node != tensors[0].node for t in tensors):
        nodes = " and ".join(sorted({f"'{t.node}'" for t in tensors})) or "numbers"
        ref.refuse("compute one function of one value", nodes)
    try:
        made = build(operator, *map(_operand, inputs))
    except NetworkError as error:
        ref.refuse("be an expression that pellucid has", str(error)[:-1])
    return Partial(tensors[0], made)


def _operand(value: Any) -> Any:
    if isinstance(value, Partial):
        return value.expression
    return variable("x") if isinstance(value, Tensor) else value


def finish(builder: NetworkBuilder, ref: OperatorRef, value: Any) -> Tensor:
    """Return a tensor as it is, a partial function as a layer."""
    if not isinstance(value, Partial):
        return value  # type: ignore[no-any-return]
    if value.expression.is_condition:
        ref.refuse("be a number, not a comparison", str(value.expression))
    if value.expression is variable("x"):
        return value.x
    if value.expression.operator == "clip" and _is_of_x(value.expression):
        _, low, high = value.expression.arguments
        return builder.clip(ref, value.x, low.value, high.value)
    return builder.elementwise(ref, value.x, pl.Elementwise(value.expression))


def _is_of_x(expression: Expression) -> bool:
    return expression.arguments[0] is variable("x")
