"""Losses and optimizers that a session is handed: there, and known to its engine."""

from __future__ import annotations

from typing import TypeVar

from pellucid.errors import EngineError, UnsupportedObjectiveError
from pellucid.objectives import LOSSES, OPTIMIZERS, Loss, Optimizer, is_built_in

T = TypeVar("T")


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
