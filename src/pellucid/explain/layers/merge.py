"""One output of a layer with several inputs."""

from __future__ import annotations

import math
from typing import Any

from pellucid.explain.layers.geometry import copy_element
from pellucid.explain.layers.sums import show, sum_terms
from pellucid.explain.values import Calculation, ElementContext, Position, Step, Term


def add(element: ElementContext) -> Calculation:
    """``y = Σ xₖ``."""
    terms = [
        Term(source=source, at=at, x=x, value=x, slope=1.0)
        for source, at, x in _operands(element)
    ]
    return sum_terms(element, "y = Σ x, one from each branch", terms)


def subtract(element: ElementContext) -> Calculation:
    """``y = x₀ − x₁``."""
    (first, at, x), (second, where, z) = _operands(element)
    terms = (
        Term(source=first, at=at, x=x, value=x, slope=1.0),
        Term(source=second, at=where, x=z, value=-z, slope=-1.0, note="subtracted"),
    )
    step = Step("y", f"{show(x)} − {_in_brackets(z)}", x - z)
    equation = "y = x of the first branch − x of the second"
    return Calculation(equation=equation, terms=terms, steps=(step,))


def multiply(element: ElementContext) -> Calculation:
    """``y = Π xₖ``; the derivative by one is the product of the others."""
    operands = _operands(element)
    values = [x for _, _, x in operands]
    terms = tuple(
        Term(
            source=source,
            at=at,
            x=x,
            value=x,
            slope=math.prod(values[:k] + values[k + 1 :]),
        )
        for k, (source, at, x) in enumerate(operands)
    )
    step = Step("y", " · ".join(map(_in_brackets, values)), math.prod(values))
    equation = "y = Π x, one from each branch"
    return Calculation(equation=equation, terms=terms, steps=(step,))


def maximum(element: ElementContext) -> Calculation:
    """``y = max xₖ``; of equal ones the first wins."""
    operands = _operands(element)
    values = [x for _, _, x in operands]
    winner = values.index(max(values))
    terms = tuple(
        Term(
            source=source,
            at=at,
            x=x,
            value=x,
            slope=float(k == winner),
            note="largest" if k == winner else "",
        )
        for k, (source, at, x) in enumerate(operands)
    )
    step = Step("y", f"max({', '.join(map(show, values))})", values[winner])
    equation = "y = the largest x, one from each branch"
    return Calculation(equation=equation, terms=terms, steps=(step,))


def _operands(element: ElementContext) -> list[tuple[str, Position, float]]:
    """Return each branch's element: where it is stretched, its only one."""
    found = []
    for source, x in zip(element.node.inputs, element.inputs, strict=True):
        place = element.at[len(element.at) - x.ndim :]
        at = tuple(min(i, n - 1) for i, n in zip(place, x.shape, strict=True))
        found.append((source, at, float(x[at])))
    return found


def _in_brackets(value: float) -> str:
    return f"({show(value)})" if value < 0 else show(value)


def concat(element: ElementContext) -> Calculation:
    """Take the element from the branch that this range of the axis comes from."""
    layer: Any = element.node.layer
    axis = layer.resolved_axis(len(element.at))
    index = element.at[axis]
    for source, x in zip(element.node.inputs, element.inputs, strict=True):
        if index < x.shape[axis]:
            at = (*element.at[:axis], index, *element.at[axis + 1 :])
            return copy_element(
                source, at, float(x[at]), "y = x of the branch it is from"
            )
        index -= x.shape[axis]
    raise IndexError(element.at)
