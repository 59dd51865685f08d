"""One output of a convolution: its window, weights and products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pellucid.explain.layers.sums import sum_terms
from pellucid.explain.values import Calculation, ElementContext, Term


def conv2d(element: ElementContext) -> Calculation:
    """``y[i,j,o] = b[o] + Σ x[i·s+u·d−top, j·s+v·d−left, c] · w[u,v,c,o]``."""
    layer: Any = element.node.layer
    i, j, _ = element.at
    height, width, _ = element.x.shape
    (top, _), (left, _) = layer.pads((height, width))
    (s, t), (d, e) = layer.strides, layer.dilations
    window = (
        (u, v, i * s + u * d - top, j * t + v * e - left)
        for u in range(layer.kernel[0])
        for v in range(layer.kernel[1])
    )
    terms = [term for offset in window for term in _products(element, *offset)]
    equation = "y[i,j,o] = b[o] + Σ x[i·s+u·d−top, j·s+v·d−left, c] · w[u,v,c,o]"
    return sum_terms(element, equation, terms, has_bias=layer.bias)


def conv_transpose2d(element: ElementContext) -> Calculation:
    """``y[p,q,o] = b[o] + Σ x[i,j,c] · w[u,v,c,o]`` where i·s+u·d−top = p."""
    layer: Any = element.node.layer
    p, q, _ = element.at
    height, width, _ = element.x.shape
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
                terms.extend(_products(element, u, v, i, j))
    equation = "y[p,q,o] = b[o] + Σ x[i,j,c] · w[u,v,c,o] where i·s+u·d−top = p, …"
    return sum_terms(element, equation, terms, has_bias=layer.bias)


def _products(
    element: ElementContext, u: int, v: int, row: int, column: int
) -> Iterator[Term]:
    """Yield one kernel cell's products, channel after channel of the output's group."""
    layer: Any = element.node.layer
    height, width, channels = element.x.shape
    o = element.at[2]
    per_group = channels // layer.groups
    first = o // (layer.out_channels // layer.groups) * per_group
    is_inside = 0 <= row < height and 0 <= column < width
    for c in range(per_group):
        weight = float(element.weights["weight"][u, v, c, o])
        x = float(element.x[row, column, first + c]) if is_inside else 0.0
        yield Term(
            source=element.source,
            at=(row, column, first + c) if is_inside else None,
            x=x,
            weight=weight,
            weight_at=(u, v, c, o),
            value=x * weight,
            slope=weight,
            note="" if is_inside else "padding",
        )
