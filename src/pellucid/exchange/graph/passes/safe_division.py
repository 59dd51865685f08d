"""Recognize a division that gives 0 where the divisor is 0, as TensorFlow writes it."""

from __future__ import annotations

from pellucid.exchange.graph.ir import Graph, Operator

#: operators that choose: condition, value where it holds, value elsewhere
_CHOOSE = ("Where", "SELECT", "SELECT_V2")
_EQUAL = ("Equal", "EQUAL")


def find_safe_divisions(graph: Graph) -> None:
    """Turn ``d == 0 ? 0 : x / d`` into one operator."""
    for operator in list(graph.operators):
        if operator.kind in _CHOOSE and len(operator.inputs) == 3:
            _rewrite(graph, operator)


def _rewrite(graph: Graph, operator: Operator) -> None:
    condition, zero, quotient = operator.inputs
    equal = graph.made_by(condition, *_EQUAL)
    division = graph.made_by(quotient, "divide")
    if equal is None or division is None or graph.number(zero) != 0:
        return
    divisor, other = equal.inputs
    if divisor in graph.constants:
        divisor, other = other, divisor
    numerator, denominator = division.inputs
    if numerator in graph.constants:  # one function of the divisor
        return
    if graph.number(other) == 0 and denominator == divisor:
        operator.become("divide_safely", division.inputs)
