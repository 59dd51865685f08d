"""One output of a layer with several inputs."""

from __future__ import annotations

from typing import Any

from pellucid.explain.layers.geometry import copy_element
from pellucid.explain.layers.sums import sum_terms
from pellucid.explain.values import Calculation, ElementContext, Term


def add(element: ElementContext) -> Calculation:
    """``y = Σ xₖ``."""
    values = [float(x[element.at]) for x in element.inputs]
    terms = [
        Term(source=source, at=element.at, x=x, value=x, slope=1.0)
        for source, x in zip(element.node.inputs, values, strict=True)
    ]
    return sum_terms(element, "y = Σ x, one from each branch", terms)


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
