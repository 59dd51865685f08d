"""What the lesson's own code must know of a network."""

from __future__ import annotations

from typing import Any

from pellucid.errors import NetworkError
from pellucid.model import Model
from pellucid.network.layers import (
    Conv2D,
    Dense,
    Flatten,
    Input,
    Layer,
    MaxPool2D,
    ReLU,
    Softmax,
)
from pellucid.objectives import Adam

#: layers that `assets/layers.js` computes
_LAYERS = (Conv2D, Dense, Flatten, Input, MaxPool2D, ReLU, Softmax)


def check_network(model: Model) -> None:
    """Refuse what the lesson cannot show.

    Raises
    ------
    NetworkError
        If a layer is another, or the network is not a chain from a picture of 28×28
        grey pixels to the probabilities of classes, or the optimizer is not Adam.
    """
    network = model.network
    for node in network.nodes:
        layer = node.layer
        is_known = type(layer) in _LAYERS and getattr(layer, "groups", 1) == 1
        if not is_known or len(node.inputs) > 1:
            kinds = ", ".join(kind.__name__ for kind in _LAYERS)
            raise NetworkError(
                f"lesson: layers must be one after the other, of {kinds}, without "
                f"groups; got {type(layer).__name__} '{node.name}'."
            )
    how = model.optimizer
    if type(how) is not Adam or how.weight_decay or how.clip_norm is not None:
        raise NetworkError(
            "lesson: the optimizer must be Adam without weight decay and clipping; "
            f"got {how}."
        )
    last = network.node(network.outputs[0]).layer
    if network.input_shape != (28, 28, 1) or not isinstance(last, Softmax):
        raise NetworkError(
            "lesson: the network must take 28×28 grey pixels and end in Softmax; got "
            f"{network.input_shape} and {type(last).__name__}."
        )


def describe_layers(model: Model) -> dict[str, dict[str, Any]]:
    """Return each node's window, and whether it has a bias."""
    network = model.network
    found = {}
    for node in network.nodes:
        known = _geometry(
            node.layer, network.shapes[node.inputs[0]] if node.inputs else ()
        )
        found[node.name] = known
    return found


def _geometry(layer: Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if isinstance(layer, Conv2D | Dense):
        known["bias"] = layer.bias
    if isinstance(layer, Conv2D | MaxPool2D):
        height, width, _ = shape
        known |= {
            "kernel": layer.kernel,
            "strides": layer.strides,
            "pads": layer.pads((height, width)),
        }
    if isinstance(layer, Conv2D):
        known["dilations"] = layer.dilations
    return known
