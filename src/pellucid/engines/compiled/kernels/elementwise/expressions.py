"""Expressions as vector code: one LLVM value for each operation, shared parts once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.engines.compiled.codegen import Builder, Number, Value
from pellucid.engines.compiled.kernels.elementwise import functions
from pellucid.network.expression import Expression
from pellucid.network.expression.evaluate import fold


def emit(b: Builder, expression: Expression, x: Value) -> Value:
    """Return an expression of one variable, at x (a vector or a number)."""

    def leaf(node: Expression) -> Number:
        return x if node.operator == "variable" else float(node.value)

    def compute(node: Expression, given: list[Number]) -> Number:
        return apply(b, node.operator, given, x)

    return b.like(fold(expression, leaf, compute), x)


def apply(b: Builder, operator: str, given: list[Number], like: Value) -> Value:
    """Return an operator applied to vectors and numbers, spread as ``like`` is."""
    if all(not isinstance(argument, Value) for argument in given):
        given = [b.like(given[0], like), *given[1:]]
    if operator == "where":
        condition, first, second = given
        return b.select(condition, b.like(first, like), b.like(second, like))  # type: ignore[arg-type]
    if operator in _OF_VALUES:
        given = [b.like(argument, like) for argument in given]
    made: Value = _OPERATORS[operator](b, *given)
    return made


def power(b: Builder, x: Value, exponent: float) -> Value:
    """Return x to a constant power.

    Whole powers up to 64 are products, the root is exact; others are exp(n · ln x),
    with a relative error of about |n · ln x| · 2⁻²³; NaN for negative x.
    """
    n = abs(exponent)
    if n == int(n) and n <= 64:
        y = _whole_power(b, x, int(n))
    elif n == 0.5:
        y = b.sqrt(x)
    else:
        return functions.exp(b, functions.log(b, x) * exponent)
    return y if exponent > 0 else 1.0 / y


def _whole_power(b: Builder, x: Value, n: int) -> Value:
    """Multiply by repeated squares."""
    y: Value | None = None
    while n:
        if n & 1:
            y = x if y is None else y * x
        x, n = x * x, n >> 1
    return b.like(1.0, x) if y is None else y


def _clip(b: Builder, x: Value, low: Number, high: Number) -> Value:
    x = b.select(x < low, b.like(low, x), x)
    return b.select(x > high, b.like(high, x), x)


def _maximum(b: Builder, x: Value, y: Value) -> Value:
    return b.call_intrinsic("llvm.maximum", x, y)


def _minimum(b: Builder, x: Value, y: Value) -> Value:
    return b.call_intrinsic("llvm.minimum", x, y)


#: operators whose arguments must all be values of the machine
_OF_VALUES = ("maximum", "minimum")
_OPERATORS: dict[str, Callable[..., Any]] = {
    "abs": lambda b, x: b.absolute(x),
    "add": lambda b, x, y: x + y,
    "clip": _clip,
    "divide": lambda b, x, y: x / y,
    "erf": functions.erf,
    "exp": functions.exp,
    "expm1": functions.expm1,
    "greater": lambda b, x, y: x > y,
    "greater_equal": lambda b, x, y: x >= y,
    "log": functions.log,
    "log1p": functions.log1p,
    "maximum": _maximum,
    "minimum": _minimum,
    "multiply": lambda b, x, y: x * y,
    "negative": lambda b, x: -x,
    "normal_cdf": functions.normal_cdf,
    "normal_pdf": functions.normal_pdf,
    "power": power,
    "relu": lambda b, x: b.relu(x),
    "round": lambda b, x: b.round_even(x),
    "sigmoid": functions.sigmoid,
    "softplus": functions.softplus,
    "sqrt": lambda b, x: b.sqrt(x),
    "subtract": lambda b, x, y: x - y,
    "tanh": functions.tanh,
}
