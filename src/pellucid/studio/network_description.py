"""The network as the page draws it: its nodes, their settings and counts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from pellucid.explain.loss_nodes import LOSS, probability_node, usual_loss
from pellucid.model import Model
from pellucid.model.ports import output_meaning_of
from pellucid.network import Network, Node
from pellucid.network.layers import (
    Input,
    Layer,
    WeightSpec,
    form_of,
    operation_of,
)
from pellucid.network.quantization import Quantization
from pellucid.studio.images import takes_pictures
from pellucid.studio.verdict import names_of


def describe_network(model: Model, title: str, *, has_samples: bool) -> dict[str, Any]:
    """Return the network as the page draws it."""
    network = model.network
    outputs = [_output(model, name) for name in network.outputs]
    return {
        "title": title,
        "engine": model.engine.name,
        "dtype": model.dtype,
        **{key: outputs[0][key] for key in ("classes", "meaning", "kind")},
        "input": list(network.input_shape),
        "takes_pictures": takes_pictures(network),
        "inputs": [
            {
                "name": name,
                "shape": list(network.shapes[name]),
                "takes_pictures": takes_pictures(network, name),
            }
            for name in network.inputs
        ],
        "outputs": outputs,
        "has_samples": has_samples,
        "parameters": network.parameter_count,
        "integer_weights": network.integer_weight_count,
        "multiply_adds": network.multiply_adds,
        "nodes": [_node(model, node) for node in network.nodes],
        "ends": _ends(model),
    }


def _output(model: Model, name: str) -> dict[str, Any]:
    """Return an output's name, and what it means."""
    meaning = output_meaning_of(model, name)
    return {
        "name": name,
        "classes": names_of(model, name),
        "meaning": meaning.describe(),
        "kind": meaning.kind,
    }


def _ends(model: Model) -> list[dict[str, Any]]:
    """Return what comes after the network: a softmax of its logits, and the loss.

    Of several outputs nothing.
    """
    network = model.network
    if len(network.output_shape) != 1 or len(network.outputs) > 1:
        return []
    last = probability_node(model)
    ends = [] if last is None else [last]
    found = [
        {
            "name": node.name,
            "layer": type(node.layer).__name__,
            "inputs": list(node.inputs),
            "shape": list(network.output_shape),
            "settings": {},
            "parameters": 0,
            "multiply_adds": 0,
        }
        for node in ends
    ]
    before = ends[-1].name if ends else network.outputs[0]
    if LOSS not in network.shapes and model.output_meaning.kind != "regression":
        name = type(usual_loss(model)).__name__
        loss = {"name": LOSS, "layer": name, "inputs": [before], "shape": [1]}
        found.append({**loss, "settings": {}, "parameters": 0, "multiply_adds": 0})
    return found


def _node(model: Model, node: Node) -> dict[str, Any]:
    network = model.network
    return {
        "name": node.name,
        "layer": type(operation_of(node.layer)).__name__,
        "form": form_of(node.layer),
        "inputs": list(node.inputs),
        "shape": list(network.shapes[node.name]),
        "settings": settings_of(node),
        "parameters": own_parameters(network, node),
        "integer_weights": integer_weights_of(network, node),
        "multiply_adds": node.layer.multiply_adds(*network.input_shapes(node)),
    }


def own_parameters(network: Network, node: Node) -> int:
    """Return how many parameters a node adds: none where it has another's weights."""
    return _count(network, node, lambda spec: spec.is_parameter)


def integer_weights_of(network: Network, node: Node) -> int:
    """Return how many integer weights a node adds, which training does not change."""
    return _count(
        network, node, lambda spec: spec.role == "weight" and spec.dtype is not None
    )


def _count(
    network: Network, node: Node, is_counted: Callable[[WeightSpec], bool]
) -> int:
    if node.weights_of is not None:
        return 0
    specs = node.layer.weights(*network.input_shapes(node))
    return sum(math.prod(spec.shape) for spec in specs if is_counted(spec))


def settings_of(node: Node) -> dict[str, Any]:
    """Return a layer's arguments that are not the default, for people to read.

    Of a quantized layer those of the layer that it computes come first.
    """
    if isinstance(node.layer, Input):
        return {}
    operation = operation_of(node.layer)
    own = {} if operation is node.layer else _given(node.layer, "operation", "bits")
    return {**_given(operation), **own}


def _given(layer: Layer, *without: str) -> dict[str, Any]:
    return {
        field.name: _plain(getattr(layer, field.name))
        for field in dataclasses.fields(layer)
        if field.name not in ("name", "activation", *without)
        and not _is_usual(getattr(layer, field.name), field.default)
    }


def _is_usual(value: Any, default: Any) -> bool:
    """Whether a value is the default, perhaps one for rows and one for columns."""
    if isinstance(value, tuple) and not isinstance(default, tuple):
        return all(one == default for one in value)
    return bool(value == default)


def _plain(value: Any) -> Any:
    """Write an argument in one line: a quantization as the number it stands for."""
    if isinstance(value, Quantization):
        sign = "+" if value.zero_point < 0 else "−"
        return f"{value.scale:.6g} · (q {sign} {abs(value.zero_point)})"
    if isinstance(value, tuple) and any(isinstance(v, Quantization) for v in value):
        return " and ".join(_plain(one) for one in value)
    return value if isinstance(value, int | float | bool | str) else str(value)
