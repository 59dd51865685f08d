"""This file is the moments of a training at which other code may look in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

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
        """Before the first step."""

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """After each update."""

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """After each epoch and its validation."""

    def on_interrupt(self, trainer: Trainer) -> None:
        """After the step in which Ctrl-C was pressed."""

    def on_end(self, trainer: Trainer) -> None:
        """After the last step, also when training ended early or by an error."""
