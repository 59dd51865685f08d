"""One output of a layer with rounded weights: the layer's, with those weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pellucid.explain.values import Calculation, ElementContext
from pellucid.network.fake_quantization import round_weight
from pellucid.network.layers import find_entry


def fake_quantized(element: ElementContext) -> Calculation:
    """Calculate the operation with ``s · round(w / s)``."""
    from pellucid.explain.layers import CALCULATIONS

    layer: Any = element.node.layer
    rounded = round_weight(element.weights["weight"], layer.most)
    node = element.node.with_layer(layer.operation)
    inside = replace(element, node=node, weights={**element.weights, "weight": rounded})
    made: Calculation = find_entry(CALCULATIONS, layer.operation)(inside)
    return made
