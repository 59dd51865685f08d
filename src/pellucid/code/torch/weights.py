"""Weights under the names and in the layouts of a PyTorch script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code.script_spec import ScriptSpec, flattened_shape
from pellucid.code.torch.network import attributes, modules
from pellucid.code.torch.operators import is_sequence
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.network.layers import Shape

Array = npt.NDArray[Any]


_ROLES = {
    "offset": "bias",
    "running_variance": "running_var",
    "scale": "weight",
    "slope": "weight",
}


def weights(spec: ScriptSpec, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights under PyTorch's names and in its layouts."""
    found: dict[str, Array] = {}
    index = 0
    made, names = modules(spec), attributes(spec)
    for node in spec.logit_nodes:
        if node.weights_of is not None:
            continue
        count = len(made[node.name])
        place = str(index + count - 1)
        if not is_sequence(spec):
            name = names[node.name]
            place = name if count == 1 else f"{name}.{count - 1}"
        index += count
        for weight in node.layer.weights(*spec.network.input_shapes(node)):
            array = np.asarray(arrays[f"{node.name}.{weight.role}"])
            role = _ROLES.get(weight.role, weight.role)
            if weight.role == "weight":
                array = _to_framework_layout(spec, node, array)
            found[f"{place}.{role}"] = np.ascontiguousarray(array)
        if isinstance(node.layer, nl.BatchNorm):
            found[f"{place}.num_batches_tracked"] = np.zeros((), np.int64)
    return found


def _to_framework_layout(spec: ScriptSpec, node: Node, array: Array) -> Array:
    layer = node.layer
    if isinstance(layer, nl.Conv2D):
        return array.transpose(3, 2, 0, 1)
    if isinstance(layer, nl.ConvTranspose2D):
        # (kh, kw, in / g, out) → (in, out / g, kh, kw), group by group
        kh, kw, ins, outs = array.shape
        g = layer.groups
        split = array.reshape(kh, kw, ins, g, outs // g)
        return split.transpose(3, 2, 4, 0, 1).reshape(g * ins, outs // g, kh, kw)
    shape: Shape | None = flattened_shape(spec.network, node)
    if shape is not None:
        rows = array.reshape(*shape, -1).transpose(2, 0, 1, 3)
        array = rows.reshape(-1, array.shape[-1])
    return array.T
