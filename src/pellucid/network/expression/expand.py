"""Expansion: operators that a format lacks, written by those that it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

from pellucid.network.expression import math as functions
from pellucid.network.expression.evaluate import fold
from pellucid.network.expression.nodes import Expression, build


def expand(expression: Expression, known: Collection[str]) -> Expression:
    """Return the same function by known operators, as far as the rules lead.

    An operator that stays unknown has no rule; the writer refuses it by name.
    """

    def apply(node: Expression, given: list[Expression]) -> Expression:
        made = build(node.operator, *given)
        if node.operator in known or node.operator not in _RULES:
            return made
        return expand(_RULES[node.operator](*given), known)

    return fold(expression, lambda leaf: leaf, apply)


def _clip(u: Expression, low: Expression, high: Expression) -> Expression:
    return functions.minimum(functions.maximum(u, low), high)


def _expm1(u: Expression) -> Expression:
    """``tanh(u / 2) · (eᵘ + 1)``: nothing cancels near 0."""
    return functions.tanh(u * 0.5) * (functions.exp(u) + 1)


def _softplus(u: Expression) -> Expression:
    """``max(u, 0) + ln(1 + e^−|u|)``: without overflow."""
    return functions.relu(u) + functions.log1p(functions.exp(-functions.abs(u)))


#: operator → the same by others; log1p loses its exactness for small arguments
_RULES: dict[str, Callable[..., Expression]] = {
    "abs": lambda u: functions.maximum(u, -u),
    "clip": _clip,
    "expm1": _expm1,
    "log1p": lambda u: functions.log(1 + u),
    "negative": lambda u: u * -1,
    "normal_cdf": lambda u: 0.5 * (1 + functions.erf(u * math.sqrt(0.5))),
    "normal_pdf": lambda u: functions.exp(u * u * -0.5) * (1 / math.sqrt(2 * math.pi)),
    "relu": lambda u: functions.maximum(u, 0),
    "softplus": _softplus,
}
