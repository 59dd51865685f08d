"""One output of a layer with several inputs."""

from __future__ import annotations

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
    """Take the number from the branch whose channels these are."""
    *lead, channel = element.at
    for source, x in zip(element.node.inputs, element.inputs, strict=True):
        if channel < x.shape[-1]:
            at = (*lead, channel)
            return copy_element(
                source, at, float(x[at]), "y = x of the branch it is from"
            )
        channel -= x.shape[-1]
    raise IndexError(element.at)
