"""This file is one output of a layer where branches meet."""

from __future__ import annotations

from pellucid.explain.layers.geometry import moved
from pellucid.explain.layers.sums import added_up
from pellucid.explain.values import Calculation, Site, Term


def add(site: Site) -> Calculation:
    """``y = Σ xₖ``."""
    values = [float(x[site.at]) for x in site.inputs]
    terms = [
        Term(source=source, at=site.at, x=x, value=x, slope=1.0)
        for source, x in zip(site.node.inputs, values, strict=True)
    ]
    return added_up(site, "y = Σ x, one from each branch", terms)


def concat(site: Site) -> Calculation:
    """Take the number from the branch whose channels these are."""
    *lead, channel = site.at
    for source, x in zip(site.node.inputs, site.inputs, strict=True):
        if channel < x.shape[-1]:
            at = (*lead, channel)
            return moved(source, at, float(x[at]), "y = x of the branch it is from")
        channel -= x.shape[-1]
    raise IndexError(site.at)
