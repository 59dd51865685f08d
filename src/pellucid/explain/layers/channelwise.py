"""One output of a layer with numbers per channel: PReLU and rescaling."""

from __future__ import annotations

from typing import Any

from pellucid.explain.layers.sums import show
from pellucid.explain.values import Calculation, ElementContext, Parameter, Step, Term


def prelu(element: ElementContext) -> Calculation:
    """``y = x`` where x > 0, else the channel's slope times x."""
    layer: Any = element.node.layer
    at = (0 if layer.shared else element.at[-1],)
    slope = float(element.weights["slope"][at])
    x = float(element.x[element.at])
    y, factor = (x, 1.0) if x > 0 else (slope * x, slope)
    term = Term(source=element.source, at=element.at, x=x, value=y, slope=factor)
    formula = show(x) if x > 0 else f"{show(slope)} · ({show(x)})"
    effect = 0.0 if x > 0 else x
    return Calculation(
        equation="y = x where x > 0, else slope[c] · x",
        terms=(term,),
        steps=(Step("y", formula, y),),
        parameters=(Parameter(role="slope", at=at, value=slope, slope=effect),),
    )


def rescale(element: ElementContext) -> Calculation:
    """``y = x · scale + offset`` by constants."""
    layer: Any = element.node.layer
    c, channels = element.at[-1], element.x.shape[-1]
    scale, offset = (numbers[c] for numbers in layer.constants(channels))
    x = float(element.x[element.at])
    term = Term(
        source=element.source,
        at=element.at,
        x=x,
        weight=scale,
        value=x * scale,
        slope=scale,
    )
    formula = f"{show(x)} · {show(scale)} + {show(offset)}"
    return Calculation(
        equation="y = x · scale + offset",
        terms=(term,),
        steps=(Step("y", formula, x * scale + offset),),
    )
