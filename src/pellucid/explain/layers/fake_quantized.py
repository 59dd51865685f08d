"""One output of a layer with rounded weights: the layer's, with those weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.explain.layers.sums import show
from pellucid.explain.values import Calculation, ElementContext, Step
from pellucid.network.fake_quantization import round_weight
from pellucid.network.layers import find_entry


def fake_quantized(element: ElementContext) -> Calculation:
    """Calculate the operation with w = s · round(v / s), v being the layer's weight.

    The first step is s, of the output channel that the element is of.
    """
    from pellucid.explain.layers import CALCULATIONS

    layer: Any = element.node.layer
    weight = element.weights["weight"]
    rounded = round_weight(weight, layer.most)
    node = element.node.with_layer(layer.operation)
    inside = replace(element, node=node, weights={**element.weights, "weight": rounded})
    made: Calculation = find_entry(CALCULATIONS, layer.operation)(inside)
    largest = float(np.abs(weight[..., element.at[-1]]).max())
    step = Step("s", f"{show(largest)} / {layer.most}", largest / layer.most)
    rule = (
        f"w = s · round(v / s), s = max |v| / {layer.most}, where v is the weight that "
        "is trained, and max is over those of the output channel"
    )
    return replace(made, equation=f"{made.equation}, {rule}", steps=(step, *made.steps))
