"""Weights in the order of a Keras script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code.script_spec import ScriptSpec
from pellucid.network import layers as nl

Array = npt.NDArray[Any]


def weights(spec: ScriptSpec, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights by name, in the order and layouts of Keras."""
    found = {}
    for node in spec.nodes:
        if node.weights_of is not None:
            continue
        for weight in node.layer.weights(*spec.network.input_shapes(node)):
            name = f"{node.name}.{weight.role}"
            array = np.asarray(arrays[name])
            is_turned = isinstance(node.layer, nl.ConvTranspose2D)
            if is_turned and weight.role == "weight":
                array = array.transpose(0, 1, 3, 2)
            found[name] = np.ascontiguousarray(array)
    return found
