"""This file is our weights in the order of a Keras script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code.script_spec import Subject
from pellucid.network import layers as nl

Array = npt.NDArray[Any]


def weights(subject: Subject, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights by name, in the order and layouts of Keras."""
    found = {}
    for node in subject.nodes:
        for spec in node.layer.weights(*subject.network.input_shapes(node)):
            name = f"{node.name}.{spec.role}"
            array = np.asarray(arrays[name])
            is_turned = isinstance(node.layer, nl.ConvTranspose2D)
            if is_turned and spec.role == "weight":
                array = array.transpose(0, 1, 3, 2)
            found[name] = np.ascontiguousarray(array)
    return found
