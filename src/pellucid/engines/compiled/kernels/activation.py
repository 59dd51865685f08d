"""This file is the functions applied to every number, and their derivatives."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.kernels import functions
from pellucid.engines.compiled.kernels.ir import Builder, Value


@dataclass(frozen=True, slots=True)
class Function:
    """One activation: relu, leaky_relu (with its slope), sigmoid, tanh, gelu, silu."""

    kind: str
    slope: float = 0.0


def apply(b: Builder, function: Function | None, x: Value) -> Value:
    """Return f(x)."""
    if function is None:
        return x
    match function.kind:
        case "relu":
            return b.relu(x)
        case "leaky_relu":
            return b.select(x > 0.0, x, x * function.slope)
        case "sigmoid":
            return functions.sigmoid(b, x)
        case "tanh":
            return functions.tanh(b, x)
        case "gelu":
            return x * functions.normal_cdf(b, x)
        case _:
            return x * functions.sigmoid(b, x)


#: what the derivative is computed from: f's output, or its input
FROM_OUTPUT = ("relu", "sigmoid", "tanh")


def derivative(b: Builder, function: Function, seen: Value) -> Value:
    """Return f′, from f's output for `FROM_OUTPUT`, else from its input."""
    match function.kind:
        case "relu":
            return b.select(seen > 0.0, 1.0, b.zeros(seen.type.count))
        case "leaky_relu":
            return b.select(seen > 0.0, b.like(1.0, seen), function.slope)
        case "sigmoid":
            return seen * (1.0 - seen)
        case "tanh":
            return 1.0 - seen * seen
        case "gelu":
            return functions.normal_cdf(b, seen) + seen * functions.normal_pdf(b, seen)
        case _:
            s = functions.sigmoid(b, seen)
            return s * (1.0 + seen * (1.0 - s))
