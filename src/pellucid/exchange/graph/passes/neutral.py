"""Drop operators that leave a value as it is.

Exporters leave x + 0 and x · 1 where a bias is zero or a scale one.
"""

from __future__ import annotations

from pellucid.exchange.graph.ir import Graph, Operator

_NEUTRAL = {"add": 0.0, "subtract": 0.0, "multiply": 1.0, "divide": 1.0, "power": 1.0}
_COMMUTES = ("add", "multiply")


def drop_neutral(graph: Graph) -> None:
    """Let whoever reads x + 0, x − 0, x · 1, x / 1 or a copy of x read x."""
    for operator in graph.operators:
        value = _kept(graph, operator)
        if value is not None:
            graph.replace(operator.output, value)


def _kept(graph: Graph, operator: Operator) -> str | None:
    """Return the input that an operator gives unchanged."""
    if operator.kind == "identity":
        return operator.inputs[0]
    neutral = _NEUTRAL.get(operator.kind)
    if neutral is None or len(operator.inputs) != 2:
        return None
    first, second = operator.inputs
    if operator.kind in _COMMUTES and first in graph.constants:
        first, second = second, first
    if graph.number(second) != neutral or first in graph.constants:
        return None
    rank = len(graph.shapes.get(first, ()))
    return first if graph.constants[second].ndim <= rank else None
