"""One output of an activation: its value and local derivative."""

from __future__ import annotations

import math

from pellucid.explain.layers.sums import show
from pellucid.explain.values import Calculation, ElementContext, Step, Term
from pellucid.network.expression import write
from pellucid.network.expression.evaluate import compute_number
from pellucid.network.expression.text import FORMULA
from pellucid.network.layers import Pointwise


def pointwise(element: ElementContext) -> Calculation:
    """Apply one function to one element, and show its derivative there."""
    layer = element.node.layer
    if not isinstance(layer, Pointwise):
        raise TypeError(type(layer))
    x = float(element.x[element.at])
    y = compute_number(layer.expression, x)
    slope = compute_number(layer.derivative, x)
    term = Term(source=element.source, at=element.at, x=x, value=y, slope=slope)
    given = {"x": show(x)}
    steps = (
        Step("dy/dx", write(layer.derivative, FORMULA, given), slope),
        Step("y", write(layer.expression, FORMULA, given), y),
    )
    equation = f"y = {write(layer.expression, FORMULA)}"
    return Calculation(equation=equation, terms=(term,), steps=steps)


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


def log_softmax(element: ElementContext) -> Calculation:
    """``y[k] = x[k] − ln Σ e^x[m]``; the largest x is taken off first."""
    *lead, k = element.at
    row = [float(x) for x in element.x[tuple(lead)]]
    largest = max(row)
    exponentials = [math.exp(x - largest) for x in row]
    total = math.fsum(exponentials)
    y = row[k] - largest - math.log(total)
    terms = tuple(
        Term(
            source=element.source,
            at=(*lead, m),
            x=row[m],
            value=exponentials[m],
            slope=float(m == k) - exponentials[m] / total,
            note="this one" if m == k else "",
        )
        for m in range(len(row))
    )
    steps = (
        Step("largest x", f"the largest of {len(row)}", largest),
        Step("sum of e^(x − largest)", f"{len(row)} terms", total),
        Step("y", f"{show(row[k])} − {show(largest)} − ln {show(total)}", y),
    )
    equation = "y[k] = x[k] − max x − ln Σ e^(x[m] − max x)"
    return Calculation(equation=equation, terms=terms, steps=steps)
