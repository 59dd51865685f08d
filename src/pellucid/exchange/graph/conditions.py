"""Comparisons and logic as expressions: conditions are values of ones and zeros."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.network.expression import Expression, math
from pellucid.network.expression.nodes import lift


def truth(condition: Expression) -> Expression:
    """Return a comparison as 1 or 0."""
    return math.where(condition, 1.0, 0.0)


def holds(value: Expression) -> Expression:
    """Return a value of ones and zeros as a comparison."""
    return value > 0.5


#: what compares two values
COMPARISONS: dict[str, Callable[..., Expression]] = {
    "equal": lambda x, y: math.where(lift(x) >= y, truth(lift(y) >= x), 0.0),
    "greater": lambda x, y: truth(lift(x) > y),
    "greater_equal": lambda x, y: truth(lift(x) >= y),
    "less": lambda x, y: truth(lift(y) > x),
    "less_equal": lambda x, y: truth(lift(y) >= x),
    "not_equal": lambda x, y: math.where(lift(x) > y, 1.0, truth(lift(y) > x)),
}
#: those, logic of ones and zeros, and the choice
CONDITIONS: dict[str, Callable[..., Expression]] = {
    **COMPARISONS,
    "and": lambda x, y: truth(math.minimum(x, y) > 0.5),
    "not": lambda x: 1 - x,
    "or": lambda x, y: truth(math.maximum(x, y) > 0.5),
    "where": lambda c, x, y: math.where(holds(c), x, y),
    "xor": lambda x, y: math.where(x > 0.5, 1 - y, y),
}
