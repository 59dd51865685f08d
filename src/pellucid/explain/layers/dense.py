"""This file is one output of a fully connected layer: every feature's product."""

from __future__ import annotations

from typing import Any

from pellucid.explain.layers.sums import added_up
from pellucid.explain.values import Calculation, Site, Term


def dense(site: Site) -> Calculation:
    """``y[o] = b[o] + Σ x[k] · w[k,o]``."""
    layer: Any = site.node.layer
    *lead, o = site.at
    row = site.x[tuple(lead)]
    column = site.weights["weight"][:, o]
    terms = [
        Term(
            source=site.source,
            at=(*lead, k),
            x=float(x),
            weight=float(w),
            weight_at=(k, o),
            value=float(x) * float(w),
            slope=float(w),
        )
        for k, (x, w) in enumerate(zip(row, column, strict=True))
    ]
    return added_up(site, "y[o] = b[o] + Σ x[k] · w[k,o]", terms, has_bias=layer.bias)
