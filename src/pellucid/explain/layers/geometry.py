"""This file is one output of a layer that moves numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.engines.numpy.layers.geometry import interpolation
from pellucid.explain.layers.sums import added_up, number, weighted
from pellucid.explain.values import Calculation, Place, Site, Step, Term


def moved(source: str, at: Place | None, x: float, equation: str) -> Calculation:
    """Return the calculation that takes one number as it is."""
    note = "padding" if at is None else ""
    slope = 0.0 if at is None else 1.0
    term = Term(source=source, at=at, x=x, value=x, slope=slope, note=note)
    return Calculation(
        equation=equation, terms=(term,), steps=(Step("y", number(x), x),)
    )


def flatten(site: Site) -> Calculation:
    """``y[k] = x[i,j,c]`` with k = (i · W + j) · C + c."""
    at = tuple(int(n) for n in np.unravel_index(site.at[0], site.x.shape))
    equation = "y[k] = x[i,j,c] with k = (i·W + j)·C + c"
    return moved(site.source, at, float(site.x[at]), equation)


def zero_pad2d(site: Site) -> Calculation:
    """``y[i,j,c] = x[i−top, j−left, c]``, or 0 outside."""
    layer: Any = site.node.layer
    (top, _), (left, _) = layer.sides
    row, column, channel = site.at[0] - top, site.at[1] - left, site.at[2]
    height, width, _ = site.x.shape
    equation = "y[i,j,c] = x[i−top, j−left, c], 0 outside"
    if not (0 <= row < height and 0 <= column < width):
        return moved(site.source, None, 0.0, equation)
    at = (row, column, channel)
    return moved(site.source, at, float(site.x[at]), equation)


def upsample2d(site: Site) -> Calculation:
    """``y[i,j,c] = Σ a[i,p] · b[j,q] · x[p,q,c]``: a mixture of near pixels."""
    layer: Any = site.node.layer
    i, j, c = site.at
    height, width, _ = site.x.shape
    a = interpolation(height, layer.factors[0], layer.mode)[i]
    b = interpolation(width, layer.factors[1], layer.mode)[j]
    terms = [
        weighted(
            site.source,
            (int(p), int(q), c),
            float(site.x[p, q, c]),
            float(a[p] * b[q]),
        )
        for p in np.flatnonzero(a)
        for q in np.flatnonzero(b)
    ]
    return added_up(site, "y[i,j,c] = Σ a[i,p] · b[j,q] · x[p,q,c]", terms)


def dropout(site: Site) -> Calculation:
    """``y = x``: in inference nothing is dropped."""
    equation = "y = x, for in inference nothing is dropped"
    return moved(site.source, site.at, float(site.x[site.at]), equation)
