"""Node whose value the loss takes: the logits before a Softmax it absorbs."""

from __future__ import annotations

from typing import TypeVar

from pellucid.errors import EngineError, UnsupportedObjectiveError
from pellucid.network import Network
from pellucid.objectives import LOSSES, OPTIMIZERS, Loss, Optimizer, is_built_in

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


def check_objective(
    engine: str, loss: Loss | None, optimizer: Optimizer | None
) -> None:
    """Refuse a loss or optimizer of the caller's own, whose formula is NumPy's.

    Raises
    ------
    UnsupportedObjectiveError
        With the engine's name, and the one that runs it.
    """
    for what, given, known in (
        ("loss", loss, LOSSES),
        ("optimizer", optimizer, OPTIMIZERS),
    ):
        if given is not None and not is_built_in(given):
            raise UnsupportedObjectiveError(
                f"engine '{engine}': {what} must be one of {', '.join(known)}; "
                f"got {type(given).__name__}, a class of yours. "
                f"engine='numpy' runs it."
            )


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
