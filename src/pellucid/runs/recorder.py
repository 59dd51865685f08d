"""This file is who writes a run down while it is trained."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from pellucid.runs.checkpoint import Checkpoint
from pellucid.runs.folder import RunFolder
from pellucid.runs.model_file import ModelFile
from pellucid.training import Callback

if TYPE_CHECKING:
    from pellucid.training import EpochRecord, Trainer

_LEAST_SECONDS = 1.0  # between checkpoints at the ends of short epochs
_MOST_SECONDS = 60.0  # between checkpoints within a long epoch


class Recorder(Callback):
    """Write checkpoints, the history, the models and the curves of a run.

    A checkpoint is written at the end of an epoch (one a second at most), every
    minute within an epoch, and after Ctrl-C. Whatever the moment of a crash, the
    last checkpoint leads to the same end.
    """

    may_stop = False

    def __init__(self, folder: RunFolder, template: ModelFile) -> None:
        self._folder = folder
        self._template = template
        self._written_at = time.monotonic()
        self._best_epoch = 0

    def on_begin(self, trainer: Trainer) -> None:
        """Cut the history back to where training goes on."""
        self._folder.rewrite_history(trainer.history)
        self._best_epoch = trainer.position.best.epoch
        if not self._folder.has_begun:
            self._checkpoint(trainer)

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Write a checkpoint within a long epoch."""
        if time.monotonic() - self._written_at > _MOST_SECONDS:
            self._checkpoint(trainer)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Write the epoch's line, and a checkpoint."""
        self._folder.append_history(record)
        is_last = record["epoch"] == trainer.plan.epochs or trainer.stop_reason
        if is_last or time.monotonic() - self._written_at > _LEAST_SECONDS:
            self._checkpoint(trainer)
            self._write_best(trainer)

    def on_interrupt(self, trainer: Trainer) -> None:
        """Write a checkpoint within the epoch."""
        self._checkpoint(trainer)
        self._write_best(trainer)

    def on_end(self, trainer: Trainer) -> None:
        """Write the curves."""
        if len(trainer.history):
            from pellucid.runs.picture import save_figure
            from pellucid.training.curves import figure

            save_figure(figure(trainer.history), self._folder.curves)

    def _checkpoint(self, trainer: Trainer) -> None:
        state = trainer.session.state()
        Checkpoint(
            state=state, position=trainer.position, history=trainer.history
        ).write(self._folder.checkpoint)
        weights = {
            key.removeprefix("weights/"): array
            for key, array in state.items()
            if key.startswith("weights/")
        }
        if trainer.position.step:
            dataclasses.replace(self._template, weights=weights).write(
                self._folder.last
            )
        self._written_at = time.monotonic()

    def _write_best(self, trainer: Trainer) -> None:
        best = trainer.position.best
        if best.weights and (
            best.epoch != self._best_epoch or not self._folder.best.exists()
        ):
            dataclasses.replace(self._template, weights=best.weights).write(
                self._folder.best
            )
            self._best_epoch = best.epoch
