"""This file is one output of a pool: who was in the window, and who won."""

from __future__ import annotations

from typing import Any

from pellucid.explain.layers.sums import added_up, number, weighted
from pellucid.explain.values import Calculation, Place, Site, Step, Term


def _window(site: Site) -> list[Place]:
    """Return the valid cells of a window, row by row."""
    layer: Any = site.node.layer
    i, j, c = site.at
    height, width, _ = site.x.shape
    (top, _), (left, _) = layer.pads((height, width))
    rows = (i * layer.strides[0] + u - top for u in range(layer.kernel[0]))
    columns = [j * layer.strides[1] + v - left for v in range(layer.kernel[1])]
    return [
        (row, column, c)
        for row in rows
        for column in columns
        if 0 <= row < height and 0 <= column < width
    ]


def max_pool2d(site: Site) -> Calculation:
    """``y = max over the window``; of equal ones the first wins."""
    cells = _window(site)
    values = [float(site.x[at]) for at in cells]
    winner = values.index(max(values))
    terms = tuple(
        Term(
            source=site.source,
            at=at,
            x=x,
            value=x,
            slope=float(k == winner),
            note="largest" if k == winner else "",
        )
        for k, (at, x) in enumerate(zip(cells, values, strict=True))
    )
    formula = f"max({', '.join(map(number, values))})"
    return Calculation(
        equation="y[i,j,c] = the largest x of the window",
        terms=terms,
        steps=(Step("y", formula, values[winner]),),
    )


def avg_pool2d(site: Site) -> Calculation:
    """``y = mean over the window's valid cells``."""
    return _mean(site, _window(site), "y[i,j,c] = mean of the window's valid x")


def global_avg_pool2d(site: Site) -> Calculation:
    """``y[c] = mean over all pixels``."""
    height, width, _ = site.x.shape
    rows, columns = range(height), range(width)
    cells: list[Place] = [(i, j, site.at[0]) for i in rows for j in columns]
    return _mean(site, cells, "y[c] = Σ x[i,j,c] / (H·W)")


def _mean(site: Site, cells: list[Place], equation: str) -> Calculation:
    share = 1 / len(cells)
    terms = [weighted(site.source, at, float(site.x[at]), share) for at in cells]
    return added_up(site, equation, terms)
