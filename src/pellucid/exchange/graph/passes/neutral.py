"""Drop operators that leave a value as it is.

Exporters leave x + 0 and x · 1 where a bias is zero or a scale one, and lay a value
out in one row to gather each element from where it was.
"""

from __future__ import annotations

import numpy as np

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
    if operator.kind == "Gather":
        return _gathered(graph, operator)
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


def _gathered(graph: Graph, operator: Operator) -> str | None:
    """Return x where a Gather takes the elements of x in a row, in their order."""
    row, indices = operator.inputs[0], graph.constants.get(operator.inputs[1])
    reshape = graph.made_by(row, "reshape")
    if indices is None or reshape is None or len(graph.shapes.get(row, (0, 0))) != 1:
        return None
    value = reshape.inputs[0]
    shape = graph.shapes.get(value)
    if shape is None or indices.shape[1:] != shape[1:]:
        return None
    is_in_order = np.array_equal(indices.ravel(), np.arange(indices.size))
    return value if is_in_order else None
