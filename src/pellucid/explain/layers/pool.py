"""One output of a pool: its window and the selected element."""

from __future__ import annotations

from typing import Any

from pellucid.explain.layers.sums import show, sum_terms, weighted_term
from pellucid.explain.values import Calculation, ElementContext, Position, Step, Term


def _window(element: ElementContext) -> list[Position]:
    """Return the valid positions of a window, row by row."""
    layer: Any = element.node.layer
    i, j, c = element.at
    height, width, _ = element.x.shape
    (top, _), (left, _) = layer.pads((height, width))
    rows = (i * layer.strides[0] + u - top for u in range(layer.kernel[0]))
    columns = [j * layer.strides[1] + v - left for v in range(layer.kernel[1])]
    return [
        (row, column, c)
        for row in rows
        for column in columns
        if 0 <= row < height and 0 <= column < width
    ]


def max_pool2d(element: ElementContext) -> Calculation:
    """``y = max over the window``; of equal ones the first wins."""
    return _largest(element, _window(element), "y[i,j,c] = the largest x of the window")


def global_max_pool2d(element: ElementContext) -> Calculation:
    """``y = max over all pixels``; of equal ones the first wins."""
    return _largest(element, _whole(element), "y[c] = the largest x[i,j,c]")


def _largest(
    element: ElementContext, window: list[Position], equation: str
) -> Calculation:
    values = [float(element.x[at]) for at in window]
    winner = values.index(max(values))
    terms = tuple(
        Term(
            source=element.source,
            at=at,
            x=x,
            value=x,
            slope=float(k == winner),
            note="largest" if k == winner else "",
        )
        for k, (at, x) in enumerate(zip(window, values, strict=True))
    )
    formula = f"max({', '.join(map(show, values))})"
    return Calculation(
        equation=equation,
        terms=terms,
        steps=(Step("y", formula, values[winner]),),
    )


def avg_pool2d(element: ElementContext) -> Calculation:
    """``y = mean over the window's valid elements``."""
    return _mean(element, _window(element), "y[i,j,c] = mean of the window's valid x")


def global_avg_pool2d(element: ElementContext) -> Calculation:
    """``y[c] = mean over all pixels``."""
    return _mean(element, _whole(element), "y[c] = Σ x[i,j,c] / (H·W)")


def _whole(element: ElementContext) -> list[Position]:
    """Return all positions of a channel, row by row."""
    height, width, _ = element.x.shape
    return [(i, j, element.at[0]) for i in range(height) for j in range(width)]


def _mean(
    element: ElementContext, window: list[Position], equation: str
) -> Calculation:
    share = 1 / len(window)
    terms = [
        weighted_term(element.source, at, float(element.x[at]), share) for at in window
    ]
    return sum_terms(element, equation, terms)
