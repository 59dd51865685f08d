"""Symbolic derivative of an expression, simplified as it is built.

At non-differentiable points the conventions are PyTorch's: 0 for relu and abs, 1 at
the ends of a clip, halves for equal arguments of maximum and minimum; of `where`, the
derivative of the branch that is taken. That of round is 1, "straight through".
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pellucid.network.expression.nodes import (
    Expression,
    build,
    constant,
    topological,
)

ZERO, ONE = constant(0.0), constant(1.0)


def differentiate(expression: Expression, by: str = "x") -> Expression:
    """Return the derivative with respect to one variable.

    Parameters
    ----------
    expression : Expression
    by : str, optional
        The variable's name.
    """
    found: dict[Expression, Expression] = {}
    for node in topological([expression]):
        if node.operator == "variable":
            found[node] = ONE if node.value == by else ZERO
        elif node.operator == "constant" or node.is_condition:
            found[node] = ZERO
        else:
            found[node] = _chain(node, [found[a] for a in node.arguments])
    return found[expression]


def conditions(expression: Expression) -> list[Expression]:
    """Return the comparisons in an expression: in a derivative, where it jumps."""
    return [node for node in topological([expression]) if node.is_condition]


def _chain(node: Expression, slopes: list[Expression]) -> Expression:
    """Return the derivative of a node, given those of its arguments."""
    if all(slope is ZERO for slope in slopes):
        return ZERO
    match node.operator, node.arguments, slopes:
        case "add", _, (du, dv):
            return add(du, dv)
        case "subtract", _, (du, dv):
            return subtract(du, dv)
        case "multiply", (u, v), (du, dv):
            return add(multiply(du, v), multiply(u, dv))
        case "divide", (u, v), (du, dv):
            slope = divide(du, v)
            return subtract(slope, divide(multiply(u, dv), multiply(v, v)))
        case "power", (u, n), (du, _):
            slope = multiply(n, power(u, n.value - 1))
            return multiply(slope, du)
        case "negative", _, (du,):
            return negative(du)
        case "where", (condition, _, _), (_, du, dv):
            return du if du is dv else build("where", condition, du, dv)
        case "maximum", (u, v), (du, dv):
            return _pick(u > v, v > u, du, dv)
        case "minimum", (u, v), (du, dv):
            return _pick(v > u, u > v, du, dv)
        case "clip", (u, low, high), (du, _, _):
            inner = build("where", high >= u, du, ZERO)
            return build("where", u >= low, inner, ZERO)
        case _, (u,), (du,):
            return multiply(SLOPES[node.operator](u, node), du)
    raise AssertionError(node.operator)


def _pick(
    first: Expression, second: Expression, du: Expression, dv: Expression
) -> Expression:
    half = multiply(constant(0.5), add(du, dv))
    return build("where", first, du, build("where", second, dv, half))


def _sign(u: Expression, y: Expression) -> Expression:
    return build("where", u > 0, ONE, build("where", u < 0, constant(-1.0), ZERO))


#: operator of one argument → its derivative, given the argument u and the value y
SLOPES: dict[str, Callable[[Expression, Expression], Expression]] = {
    "abs": _sign,
    "erf": lambda u, y: 2 / math.sqrt(math.pi) * build("exp", -(u * u)),
    "exp": lambda u, y: y,
    "expm1": lambda u, y: build("exp", u),
    "log": lambda u, y: 1 / u,
    "log1p": lambda u, y: 1 / add(u, ONE),
    "normal_cdf": lambda u, y: build("normal_pdf", u),
    "normal_pdf": lambda u, y: -u * y,
    "relu": lambda u, y: build("where", u > 0, ONE, ZERO),
    "round": lambda u, y: ONE,
    "sigmoid": lambda u, y: y * (1 - y),
    "softplus": lambda u, y: build("sigmoid", u),
    "sqrt": lambda u, y: 0.5 / y,
    "tanh": lambda u, y: 1 - y * y,
}


def add(u: Expression, v: Expression) -> Expression:
    """Return u + v without zeros."""
    if u is ZERO or v is ZERO:
        return v if u is ZERO else u
    if u.operator == v.operator == "constant":
        return constant(u.value + v.value)
    return u + v


def subtract(u: Expression, v: Expression) -> Expression:
    """Return u − v without zeros."""
    if v is ZERO:
        return u
    return negative(v) if u is ZERO else u - v


def negative(u: Expression) -> Expression:
    """Return −u."""
    return constant(-u.value) if u.operator == "constant" else -u


def multiply(u: Expression, v: Expression) -> Expression:
    """Return u · v without zeros and ones."""
    if u is ZERO or v is ZERO:
        return ZERO
    if u is ONE or v is ONE:
        return v if u is ONE else u
    if u.operator == v.operator == "constant":
        return constant(u.value * v.value)
    return u * v


def divide(u: Expression, v: Expression) -> Expression:
    """Return u / v without zeros and ones."""
    if u is ZERO or v is ONE:
        return u
    if u.operator == v.operator == "constant" and v is not ZERO:
        return constant(u.value / v.value)
    return u / v


def power(u: Expression, exponent: float) -> Expression:
    """Return u ** exponent without exponents 0 and 1."""
    if exponent == 0:
        return ONE
    return u if exponent == 1 else u**exponent
