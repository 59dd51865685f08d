"""Functions for expressions: ``pl.math.exp``, ``pl.math.where`` and the others."""

from __future__ import annotations

from typing import Any

from pellucid.errors import NetworkError
from pellucid.network.expression.nodes import Expression, build, lift

Operand = Expression | float


def exp(x: Operand) -> Expression:
    """Return eˣ."""
    return build("exp", x)


def expm1(x: Operand) -> Expression:
    """Return eˣ − 1, exact for small x."""
    return build("expm1", x)


def log(x: Operand) -> Expression:
    """Return the natural logarithm."""
    return build("log", x)


def log1p(x: Operand) -> Expression:
    """Return ln(1 + x), exact for small x."""
    return build("log1p", x)


def sqrt(x: Operand) -> Expression:
    """Return the square root."""
    return build("sqrt", x)


def tanh(x: Operand) -> Expression:
    """Return the hyperbolic tangent."""
    return build("tanh", x)


def sigmoid(x: Operand) -> Expression:
    """Return 1 / (1 + e⁻ˣ) without overflow."""
    return build("sigmoid", x)


def softplus(x: Operand) -> Expression:
    """Return ln(1 + eˣ) without overflow."""
    return build("softplus", x)


def erf(x: Operand) -> Expression:
    """Return the error function."""
    return build("erf", x)


def normal_cdf(x: Operand) -> Expression:
    """Return Φ(x), the distribution function of the standard normal."""
    return build("normal_cdf", x)


def normal_pdf(x: Operand) -> Expression:
    """Return the density of the standard normal distribution."""
    return build("normal_pdf", x)


def relu(x: Operand) -> Expression:
    """Return max(x, 0); the derivative at 0 is 0."""
    return build("relu", x)


def abs(x: Operand) -> Expression:
    """Return |x|; the derivative at 0 is 0."""
    return build("abs", x)


def maximum(x: Operand, y: Operand) -> Expression:
    """Return the larger, NaN where either is; equal arguments share the derivative."""
    return build("maximum", x, y)


def minimum(x: Operand, y: Operand) -> Expression:
    """Return the smaller, NaN where either is; equal arguments share the derivative."""
    return build("minimum", x, y)


def clip(
    x: Operand, minimum: float | None = None, maximum: float | None = None
) -> Expression:
    """Return x limited to minimum … maximum; the derivative at either is 1."""
    if minimum is None and maximum is None:
        raise NetworkError("expression: clip must have a minimum or a maximum.")
    inside = lift(x)
    if minimum is None or maximum is None:
        end = lift(minimum if maximum is None else maximum)
        is_outside = end > inside if maximum is None else inside > end
        return where(is_outside, end, inside)
    low, high = lift(minimum), lift(maximum)
    if not low.value <= high.value:
        raise NetworkError(
            "expression: clip must have minimum ≤ maximum; "
            f"got minimum={minimum!r}, maximum={maximum!r}."
        )
    return build("clip", inside, low, high)


def where(condition: Any, x: Operand, y: Operand) -> Expression:
    """Return x where the condition (a comparison) holds, else y."""
    return build("where", condition, x, y)
