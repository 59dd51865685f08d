"""The layers of this engine: description → forward pass with derivatives.

Each function has the name of its layer's nodes, or of its family.
"""

from __future__ import annotations

from typing import Any

from pellucid.engines.numpy.layers.forward import Forward, Mode
from pellucid.engines.numpy.layers.own import own
from pellucid.network.layer_functions import layer_functions
from pellucid.network.layers import find_entry, is_own

FORWARD = layer_functions(__name__, "layer", "inputs", "weights", "mode")


def run(layer: Any, inputs: Any, weights: Any, mode: Mode) -> Forward:
    """Run one layer of a network that was checked when it was made."""
    if is_own(layer):
        return own(layer, inputs, weights, mode)
    done: Forward = find_entry(FORWARD, layer)(layer, inputs, weights, mode)
    return done


__all__ = ["FORWARD", "Forward", "Mode", "run"]
