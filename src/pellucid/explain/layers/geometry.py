"""One output of a layer that rearranges elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.engines.numpy.layers.geometry import interpolation
from pellucid.explain.layers.sums import show, sum_terms, weighted_term
from pellucid.explain.values import Calculation, ElementContext, Position, Step, Term


def copy_element(
    source: str, at: Position | None, x: float, equation: str
) -> Calculation:
    """Return the calculation that takes one number as it is."""
    note = "padding" if at is None else ""
    slope = 0.0 if at is None else 1.0
    term = Term(source=source, at=at, x=x, value=x, slope=slope, note=note)
    return Calculation(equation=equation, terms=(term,), steps=(Step("y", show(x), x),))


def flatten(element: ElementContext) -> Calculation:
    """``y[k] = x[i,j,c]`` with k = (i · W + j) · C + c."""
    at = tuple(int(n) for n in np.unravel_index(element.at[0], element.x.shape))
    equation = "y[k] = x[i,j,c] with k = (i·W + j)·C + c"
    return copy_element(element.source, at, float(element.x[at]), equation)


def zero_pad2d(element: ElementContext) -> Calculation:
    """``y[i,j,c] = x[i−top, j−left, c]``, or 0 outside."""
    layer: Any = element.node.layer
    (top, _), (left, _) = layer.sides
    row, column, channel = element.at[0] - top, element.at[1] - left, element.at[2]
    height, width, _ = element.x.shape
    equation = "y[i,j,c] = x[i−top, j−left, c], 0 outside"
    if not (0 <= row < height and 0 <= column < width):
        return copy_element(element.source, None, 0.0, equation)
    at = (row, column, channel)
    return copy_element(element.source, at, float(element.x[at]), equation)


def upsample2d(element: ElementContext) -> Calculation:
    """``y[i,j,c] = Σ a[i,p] · b[j,q] · x[p,q,c]``: a mixture of near pixels."""
    layer: Any = element.node.layer
    i, j, c = element.at
    height, width, _ = element.x.shape
    a = interpolation(height, layer.factors[0], layer.mode)[i]
    b = interpolation(width, layer.factors[1], layer.mode)[j]
    terms = [
        weighted_term(
            element.source,
            (int(p), int(q), c),
            float(element.x[p, q, c]),
            float(a[p] * b[q]),
        )
        for p in np.flatnonzero(a)
        for q in np.flatnonzero(b)
    ]
    return sum_terms(element, "y[i,j,c] = Σ a[i,p] · b[j,q] · x[p,q,c]", terms)


def resize(element: ElementContext) -> Calculation:
    """``y[i,j,c] = Σ a[i,p] · b[j,q] · x[p,q,c]``: a mixture of near pixels."""
    layer: Any = element.node.layer
    i, j, c = element.at
    height, width, _ = element.x.shape
    terms = [
        weighted_term(element.source, (p, q, c), float(element.x[p, q, c]), a * b)
        for p, a in layer.taps(0, height)[i]
        for q, b in layer.taps(1, width)[j]
    ]
    return sum_terms(element, "y[i,j,c] = Σ a[i,p] · b[j,q] · x[p,q,c]", terms)


def dropout(element: ElementContext) -> Calculation:
    """``y = x``: in inference nothing is dropped."""
    equation = "y = x, for in inference nothing is dropped"
    return copy_element(
        element.source, element.at, float(element.x[element.at]), equation
    )
