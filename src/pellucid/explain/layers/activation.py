"""One output of an activation: its value and local derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from pellucid.explain.layers.sums import show
from pellucid.explain.values import Calculation, ElementContext, Step, Term


class Function(NamedTuple):
    """A function of one number: its equation, value, slope, and formula with x."""

    equation: str
    value: Callable[[Any, float], float]
    slope: Callable[[Any, float], float]
    formula: str


def _logistic(x: float) -> float:
    small = math.exp(-abs(x))
    return (1.0 if x >= 0 else small) / (1 + small)


def _normal(x: float) -> float:
    return 0.5 * (1 + math.erf(x * math.sqrt(0.5)))


def _density(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _silu_slope(_: Any, x: float) -> float:
    s = _logistic(x)
    return s * (1 + x * (1 - s))


FUNCTIONS: dict[str, Function] = {
    "ReLU": Function(
        "y = max(x, 0)",
        lambda _, x: max(x, 0.0),
        lambda _, x: float(x > 0),
        "max({x}, 0)",
    ),
    "LeakyReLU": Function(
        "y = x where x > 0, else slope · x",
        lambda layer, x: x if x > 0 else layer.slope * x,
        lambda layer, x: 1.0 if x > 0 else layer.slope,
        "{x} if it is positive, else {x} · slope",
    ),
    "Sigmoid": Function(
        "y = 1 / (1 + e^−x)",
        lambda _, x: _logistic(x),
        lambda _, x: _logistic(x) * (1 - _logistic(x)),
        "1 / (1 + e^−({x}))",
    ),
    "Tanh": Function(
        "y = tanh(x)",
        lambda _, x: math.tanh(x),
        lambda _, x: 1 - math.tanh(x) ** 2,
        "tanh({x})",
    ),
    "GELU": Function(
        "y = x · Φ(x)",
        lambda _, x: x * _normal(x),
        lambda _, x: _normal(x) + x * _density(x),
        "{x} · Φ({x})",
    ),
    "SiLU": Function(
        "y = x / (1 + e^−x)",
        lambda _, x: x * _logistic(x),
        _silu_slope,
        "{x} / (1 + e^−({x}))",
    ),
}


def activation(element: ElementContext) -> Calculation:
    """Apply one function to one number."""
    layer = element.node.layer
    rule = FUNCTIONS[type(layer).__name__]
    x = float(element.x[element.at])
    y = rule.value(layer, x)
    term = Term(
        source=element.source, at=element.at, x=x, value=y, slope=rule.slope(layer, x)
    )
    step = Step("y", rule.formula.format(x=show(x)), y)
    return Calculation(equation=rule.equation, terms=(term,), steps=(step,))


def softmax(element: ElementContext) -> Calculation:
    """``y[k] = e^x[k] / Σ e^x[m]``; the largest x is taken off first."""
    *lead, k = element.at
    row = [float(x) for x in element.x[tuple(lead)]]
    largest = max(row)
    exponentials = [math.exp(x - largest) for x in row]
    total = math.fsum(exponentials)
    y = [e / total for e in exponentials]
    terms = tuple(
        Term(
            source=element.source,
            at=(*lead, m),
            x=row[m],
            value=exponentials[m],
            slope=y[k] * (float(m == k) - y[m]),
            note="this one" if m == k else "",
        )
        for m in range(len(row))
    )
    steps = (
        Step("largest x", f"the largest of {len(row)}", largest),
        Step(
            "e^(x − largest)",
            f"e^({show(row[k])} − {show(largest)})",
            terms[k].value,
        ),
        Step("sum of exponentials", f"{len(row)} terms", total),
        Step("y", f"{show(exponentials[k])} / {show(total)}", y[k]),
    )
    equation = "y[k] = e^(x[k] − max x) / Σ e^(x[m] − max x)"
    return Calculation(equation=equation, terms=terms, steps=steps)
