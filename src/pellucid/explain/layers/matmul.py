"""One element of a product of two values, or of an array of weights."""

from __future__ import annotations

import math
from typing import Any

from pellucid.explain.layers.sums import show
from pellucid.explain.values import (
    Array,
    Calculation,
    ElementContext,
    Parameter,
    Position,
    Step,
    Term,
)


def matmul(element: ElementContext) -> Calculation:
    """``y[i,j] = s · Σ a[i,k] · b[k,j]``."""
    layer: Any = element.node.layer
    *lead, i, j = element.at
    first, second = element.node.inputs
    a, b = element.inputs
    inner = layer.sizes(a.shape, b.shape)[1]
    products, factors = [], []
    for k in range(inner):
        at = _place(a, lead, (k, i) if layer.transpose_a else (i, k))
        where = _place(b, lead, (j, k) if layer.transpose_b else (k, j))
        x, z = float(a[at]), float(b[where])
        products.append(
            Term(
                source=first,
                at=at,
                x=x,
                weight=z,
                value=x * z,
                slope=layer.scale * z,
            )
        )
        factors.append(
            Term(
                source=second,
                at=where,
                x=z,
                value=z,
                slope=layer.scale * x,
                note="factor",
            )
        )
    total = math.fsum(term.value for term in products)
    steps = (
        Step("sum of products", f"Σ of {inner}", total),
        Step("y", f"{show(layer.scale)} · {show(total)}", layer.scale * total),
    )
    equation = f"y[i,j] = {show(layer.scale)} · Σ a[i,k] · b[k,j]"
    return Calculation(equation=equation, terms=(*products, *factors), steps=steps)


def _place(x: Array, lead: list[int], at: Position) -> Position:
    """Return a place in an input: where an axis is stretched, its only index."""
    own = lead[len(lead) - (x.ndim - 2) :]
    kept = (min(n, size - 1) for n, size in zip(own, x.shape[:-2], strict=True))
    return (*kept, *at)


def parameter(element: ElementContext) -> Calculation:
    """``y = value``, whatever the input is."""
    value = float(element.weights["value"][element.at])
    learned = Parameter(role="value", at=element.at, value=value, slope=1.0)
    step = Step("y", show(value), value)
    return Calculation(
        equation="y = value, learned", terms=(), steps=(step,), parameters=(learned,)
    )
