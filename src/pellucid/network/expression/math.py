"""Functions for expressions: ``pl.math.exp``, ``pl.math.where`` and the others."""

from __future__ import annotations

from typing import Any, Literal

from pellucid.errors import NetworkError
from pellucid.network.expression.nodes import Expression, build, lift

Operand = Expression | float
Over = Literal["all", "channels", "positions"]


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


def round(x: Operand) -> Expression:
    """Return the nearest integer, halves to the even one; the derivative is 1.

    The derivative passes straight through (Bengio, Léonard & Courville 2013), for the
    true one, 0, teaches nothing.
    """
    return build("round", x)


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


# -- for losses: tensors of positions × channels ----------------------------------


def sum(x: Operand, over: Over = "all") -> Expression:
    """Return the sum over an example's elements, its channels or its positions."""
    return _reduce("sum", x, over)


def mean(x: Operand, over: Over = "all") -> Expression:
    """Return the mean over an example's elements, its channels or its positions."""
    return _reduce("mean", x, over)


def softmax(x: Operand) -> Expression:
    """Return eˣ divided by its sum over the channels, without overflow."""
    powers = exp(x - build("largest_channel", x))
    return powers / sum(powers, "channels")


def log_softmax(x: Operand) -> Expression:
    """Return the logarithm of `softmax`, exact where that is 0 in floating point."""
    shifted = x - build("largest_channel", x)
    return shifted - log(sum(exp(shifted), "channels"))


def stop_gradient(x: Operand) -> Expression:
    """Return x, which the derivative takes for a constant."""
    return build("constant_of", x)


def split(x: Operand, parts: int) -> tuple[Expression, ...]:
    """Return equal parts of the channels."""
    if type(parts) is not int or parts < 1:
        raise NetworkError(
            f"expression: split must have 1 part or more; got parts={parts!r}."
        )
    return tuple(build("part", x, i, parts) for i in range(parts))


def _reduce(what: str, x: Operand, over: str) -> Expression:
    suffixes = {"all": "", "channels": "_channels", "positions": "_positions"}
    if over not in suffixes:
        raise NetworkError(
            f"expression: {what} must be over all, channels or positions; "
            f"got over={over!r}."
        )
    return build(what + suffixes[over], x)
