"""What must be true of a model before the engine trains it."""

from __future__ import annotations

from typing import Any

from pellucid.drop_in.keras.objectives import NoCounterpartError
from pellucid.errors import ExchangeError
from pellucid.exchange.keras.operators import IN_TRAINING_ALONE

#: settings of recurrent layers
_DROPOUTS = ("dropout", "recurrent_dropout")


def check_training(keras: Any, model: Any, variables: list[Any]) -> None:
    """Refuse to train what the engine would train in another way.

    Raises
    ------
    ExchangeError
        If the model trains in a way of its own, or layers do something in training
        alone.
    NoCounterpartError
        If layers have regularizers, or variables constraints.
    """
    for name in ("train_step", "compute_loss", "compute_metrics"):
        if name in vars(model) or _is_own(type(model), name):
            raise ExchangeError(
                f"compile: the model must train as keras.Model does; got a {name} "
                "of its own."
            )
    for layer in model._flatten_layers():
        has_shape = getattr(layer, "noise_shape", None) is not None
        if has_shape or type(layer).__name__ in IN_TRAINING_ALONE:
            raise ExchangeError(
                "compile: layers must compute in training what they do in "
                f"prediction, but for Dropout of elements; got '{layer.name}', a "
                f"{type(layer).__name__}{' of slices' if has_shape else ''}."
            )
        config = layer.get_config()
        is_recurrent = "recurrent_dropout" in config
        inside = [n for n in _DROPOUTS if is_recurrent and config[n]]
        if inside:
            raise ExchangeError(
                "compile: recurrent layers must have no dropout of their own in "
                f"training; got {inside[0]}={config[inside[0]]:g} in "
                f"'{layer.name}'. Put a Dropout before it."
            )
        if getattr(layer, "activity_regularizer", None) is not None:
            raise ExchangeError(
                "compile: layers must have no activity_regularizer; got one on "
                f"'{layer.name}'."
            )
        if not isinstance(layer, keras.Model) and layer.losses:
            raise NoCounterpartError(
                f"compile: layer '{layer.name}' must have no regularizers."
            )
    held = [v.path for v in variables if v.constraint is not None]
    if held:
        raise NoCounterpartError(
            f"compile: variables must have no constraint; got one on '{held[0]}'."
        )


def _is_own(kind: type, name: str) -> bool:
    """Whether a method was written by the user, not by Keras."""
    owner = next(k for k in kind.__mro__ if name in vars(k))
    return not owner.__module__.startswith("keras.")
