"""This file is where the loss meets the network: before a Softmax it absorbs."""

from __future__ import annotations

from typing import TypeVar

from pellucid.errors import EngineError
from pellucid.network import Network
from pellucid.objectives import Loss

T = TypeVar("T")


def loss_node(network: Network, loss: Loss) -> str:
    """Return the node whose output the loss is computed from.

    The output node, or the one before it where the network ends in the layer that
    the loss absorbs (Softmax for cross_entropy, Sigmoid for binary_cross_entropy).
    """
    output = network.node(network.outputs[0])
    if type(output.layer).__name__ == loss.absorbs:
        return output.inputs[0]
    return output.name


def require(what: str, value: T | None) -> T:
    """Return the loss or optimizer that a model was given.

    Raises
    ------
    EngineError
        If it was not, with how to give it.
    """
    if value is None:
        raise EngineError(
            f"Model: {what} must be given to train; got {what}=None. "
            f"Make the Model with {what}=…"
        )
    return value
