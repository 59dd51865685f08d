"""This file is one output of a convolution: its window, weights and products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pellucid.explain.layers.sums import added_up
from pellucid.explain.values import Calculation, Site, Term


def conv2d(site: Site) -> Calculation:
    """``y[i,j,o] = b[o] + Σ x[i·s+u·d−top, j·s+v·d−left, c] · w[u,v,c,o]``."""
    layer: Any = site.node.layer
    i, j, _ = site.at
    height, width, _ = site.x.shape
    (top, _), (left, _) = layer.pads((height, width))
    (s, t), (d, e) = layer.strides, layer.dilations
    cells = (
        (u, v, i * s + u * d - top, j * t + v * e - left)
        for u in range(layer.kernel[0])
        for v in range(layer.kernel[1])
    )
    terms = [term for cell in cells for term in _products(site, *cell)]
    equation = "y[i,j,o] = b[o] + Σ x[i·s+u·d−top, j·s+v·d−left, c] · w[u,v,c,o]"
    return added_up(site, equation, terms, has_bias=layer.bias)


def conv_transpose2d(site: Site) -> Calculation:
    """``y[p,q,o] = b[o] + Σ x[i,j,c] · w[u,v,c,o]`` where i·s+u·d−top = p."""
    layer: Any = site.node.layer
    p, q, _ = site.at
    height, width, _ = site.x.shape
    (top, _), (left, _) = layer.pads((height, width))
    (s, t), (d, e) = layer.strides, layer.dilations
    terms: list[Term] = []
    for u in range(layer.kernel[0]):
        i, odd = divmod(p + max(top, 0) - u * d, s)
        if odd or not 0 <= i < height:
            continue
        for v in range(layer.kernel[1]):
            j, odd = divmod(q + max(left, 0) - v * e, t)
            if not odd and 0 <= j < width:
                terms.extend(_products(site, u, v, i, j))
    equation = "y[p,q,o] = b[o] + Σ x[i,j,c] · w[u,v,c,o] where i·s+u·d−top = p, …"
    return added_up(site, equation, terms, has_bias=layer.bias)


def _products(site: Site, u: int, v: int, row: int, column: int) -> Iterator[Term]:
    """Yield one kernel cell's products, channel after channel of the output's group."""
    layer: Any = site.node.layer
    height, width, channels = site.x.shape
    o = site.at[2]
    per_group = channels // layer.groups
    first = o // (layer.out_channels // layer.groups) * per_group
    is_inside = 0 <= row < height and 0 <= column < width
    for c in range(per_group):
        weight = float(site.weights["weight"][u, v, c, o])
        x = float(site.x[row, column, first + c]) if is_inside else 0.0
        yield Term(
            source=site.source,
            at=(row, column, first + c) if is_inside else None,
            x=x,
            weight=weight,
            weight_at=(u, v, c, o),
            value=x * weight,
            slope=weight,
            note="" if is_inside else "padding",
        )
