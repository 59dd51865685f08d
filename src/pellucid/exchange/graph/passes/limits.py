"""Join limits from below and from above into one: min(max(x, a), b)."""

from __future__ import annotations

from math import inf

from pellucid.exchange.graph.ir import Graph, Operator

_Limits = tuple[str, float, float]


def join_limits(graph: Graph) -> None:
    """Turn a limit of a limited value into one operator ``clip`` (low, high)."""
    for operator in graph.operators:
        outer = _limits(graph, operator)
        if outer is None:
            continue
        value, low, high = outer
        maker = graph.makers.get(value)
        inner = None if maker is None else _limits(graph, maker)
        if inner is None:
            continue
        x, below, above = inner
        low, high = max(low, min(below, high)), min(high, max(above, low))
        operator.become(
            "clip",
            [x],
            low=None if low == -inf else low,
            high=None if high == inf else high,
        )
        graph.changed()


def _limits(graph: Graph, operator: Operator) -> _Limits | None:
    """Return what an operator limits, and between which numbers."""
    if operator.kind == "relu":
        return operator.inputs[0], 0.0, inf
    if operator.kind == "clip":
        low, high = operator.attributes["low"], operator.attributes["high"]
        return (
            operator.inputs[0],
            -inf if low is None else low,
            inf if high is None else high,
        )
    if operator.kind not in ("maximum", "minimum"):
        return None
    for value, other in (operator.inputs, operator.inputs[::-1]):
        number = graph.number(other)
        if number is not None and value not in graph.constants:
            is_low = operator.kind == "maximum"
            return (value, number, inf) if is_low else (value, -inf, number)
    return None
