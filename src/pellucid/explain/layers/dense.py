"""One output of a fully connected layer: every feature's product."""

from __future__ import annotations

from typing import Any

from pellucid.explain.layers.sums import sum_terms
from pellucid.explain.values import Calculation, ElementContext, Term


def dense(element: ElementContext) -> Calculation:
    """``y[o] = b[o] + Σ x[k] · w[k,o]``."""
    layer: Any = element.node.layer
    *lead, o = element.at
    row = element.x[tuple(lead)]
    column = element.weights["weight"][:, o]
    terms = [
        Term(
            source=element.source,
            at=(*lead, k),
            x=float(x),
            weight=float(w),
            weight_at=(k, o),
            value=float(x) * float(w),
            slope=float(w),
        )
        for k, (x, w) in enumerate(zip(row, column, strict=True))
    ]
    return sum_terms(
        element, "y[o] = b[o] + Σ x[k] · w[k,o]", terms, has_bias=layer.bias
    )
