"""One output of a layer of sequences: that of the 2-D layer on an image of height 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pellucid.explain.values import Calculation, ElementContext, Term
from pellucid.network.layers.one_dimensional import expand_weight


def one_dimensional(element: ElementContext) -> Calculation:
    """Explain a layer of sequences by the rule of its 2-D layer: places lose a row."""
    from pellucid.explain.layers import CALCULATIONS

    layer: Any = element.node.layer.as_2d()  # type: ignore[attr-defined]
    is_sequence = len(element.at) == 2
    flat = replace(
        element,
        node=element.node.with_layer(layer),
        at=(0, *element.at) if is_sequence else element.at,
        inputs=tuple(x[None] for x in element.inputs),
        weights={r: expand_weight(r, w) for r, w in element.weights.items()},
        shape=(1, *element.shape) if is_sequence else element.shape,
    )
    done: Calculation = CALCULATIONS[type(layer)](flat)
    equation = done.equation.replace("[i,j,c]", "[i,c]").replace("H·W", "L")
    return replace(done, terms=tuple(map(_row, done.terms)), equation=equation)


def _row(term: Term) -> Term:
    at = None if term.at is None else term.at[1:]
    weight_at = None if term.weight_at is None else term.weight_at[1:]
    return replace(term, at=at, weight_at=weight_at)
