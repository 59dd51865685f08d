"""Callbacks: hooks at the moments of a training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from pellucid.errors import NetworkError

if TYPE_CHECKING:
    from pellucid.training.history import EpochRecord
    from pellucid.training.trainer import Trainer


class Callback:
    """Base of what is called while training; every method may be left out.

    A callback reads ``trainer.session``, ``trainer.progress`` and
    ``trainer.history``, and ends the training after the step by
    ``trainer.stop("reason")``.

    Attributes
    ----------
    may_stop : bool
        Whether it ever does that; one that never does spares the processes of a job a
        message after each step.
    """

    may_stop: ClassVar[bool] = True

    def on_begin(self, trainer: Trainer) -> None:
        """Before the first step.

        Parameters
        ----------
        trainer : Trainer
            What runs the training.
        """

    def before_epoch(self, trainer: Trainer) -> None:
        """Before the first step of each epoch, or of what is left of one.

        Parameters
        ----------
        trainer : Trainer
            What runs the training; ``trainer.position.epoch`` counts from 0.
        """

    def before_step(self, trainer: Trainer) -> None:
        """Before each update, its batch being ready.

        Parameters
        ----------
        trainer : Trainer
            What runs the training; ``trainer.position.step`` counts from 0.
        """

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """After each update.

        Parameters
        ----------
        trainer : Trainer
            What runs the training.
        loss : float
            Of this batch, in nats, before the update.
        """

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """After each epoch and its validation.

        Parameters
        ----------
        trainer : Trainer
            What runs the training.
        record : mapping of str to float
            The epoch's entry in the history.
        """

    def on_interrupt(self, trainer: Trainer) -> None:
        """After the step in which Ctrl-C was pressed.

        Parameters
        ----------
        trainer : Trainer
            What runs the training.
        """

    def on_end(self, trainer: Trainer) -> None:
        """After the last step, also when training ended early or by an error.

        Parameters
        ----------
        trainer : Trainer
            What runs the training.
        """


class CallbackFunction(Callback):
    """Call a function after each epoch and its validation.

    Parameters
    ----------
    function : callable
        ``function(record)``, or ``function(trainer, record)``; the record is the
        epoch's entry in the history. What it returns is not looked at.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self._takes_trainer = _takes_two(function)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Call it."""
        if self._takes_trainer:
            self._function(trainer, record)
        else:
            self._function(record)


def as_callbacks(given: Any) -> tuple[Callback, ...]:
    """Return callbacks as they are, and functions as `CallbackFunction`.

    Parameters
    ----------
    given : Callback, function, or iterable of those
        What `Model.fit` was given.

    Returns
    -------
    tuple of Callback
        In the same order.

    Raises
    ------
    NetworkError
        If one is a class, or neither callback nor function, or takes other arguments.
    """
    if isinstance(given, Callback) or (callable(given) and not _is_iterable(given)):
        given = (given,)
    return tuple(_as_callback(one) for one in given or ())


def _as_callback(given: Any) -> Callback:
    if isinstance(given, type):
        raise NetworkError(
            "fit: callbacks must be objects; got the class "
            f"{given.__name__}. Write {given.__name__}()."
        )
    if isinstance(given, Callback) or all(hasattr(given, name) for name in _MOMENTS):
        found: Callback = given
        return found
    if not callable(given):
        raise NetworkError(
            "fit: callbacks must be of Callback or functions of (record) or "
            f"(trainer, record); got {type(given).__name__}."
        )
    return CallbackFunction(given)


_MOMENTS = tuple(name for name in vars(Callback) if name.startswith(("on_", "may_")))


def _is_iterable(given: object) -> bool:
    return isinstance(given, Iterable)


def _takes_two(function: Callable[..., object]) -> bool:
    """Return whether a function is called with (trainer, record), not (record)."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in: it does not say
        return False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, _EITHER)]
    needed = [p for p in places if p.default is p.empty]
    takes_all = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    unfilled = [
        p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty
    ]
    if len(needed) > 2 or unfilled or not (places or takes_all):
        raise NetworkError(
            "fit: a callback function must take (record) or (trainer, record); "
            f"got ({', '.join(p.name for p in parameters)})."
        )
    return len(needed) == 2 or (takes_all and len(needed) < 2 and len(places) != 1)


_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
