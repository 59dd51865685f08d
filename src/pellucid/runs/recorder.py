"""Callback that writes a run to disk."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from pellucid.runs.checkpoint import Checkpoint
from pellucid.runs.folder import RunFolder, history_bytes
from pellucid.runs.model_file import ModelFile
from pellucid.storage import Stage, writing
from pellucid.training import Callback
from pellucid.training.divergence import check_weights
from pellucid.training.early_stopping import Weights, weights_of

if TYPE_CHECKING:
    from pellucid.engines.protocol import State
    from pellucid.training import EpochRecord, Trainer

_LEAST_SECONDS = 1.0  # between checkpoints at the ends of short epochs
_MOST_SECONDS = 60.0  # between checkpoints within a long epoch


class Recorder(Callback):
    """Write recipe, checkpoints, history, models and curves of a run.

    All that belongs to one moment of the training is written together. That is at
    the end of an epoch (once a second at most), every minute within an epoch, and
    after Ctrl-C. Whatever the moment of a crash, the last checkpoint leads to the
    same end, and the models are those of its moment.

    Parameters
    ----------
    folder : RunFolder
        Where it is written; locked.
    template : ModelFile
        The model's file but for the weights.
    recipe : bytes, optional
        ``recipe.toml``, where it is new or changed.
    """

    may_stop = False

    def __init__(
        self, folder: RunFolder, template: ModelFile, recipe: bytes | None = None
    ) -> None:
        self._folder = folder
        self._template = template
        self._recipe = recipe
        self._written_at = time.monotonic()
        self._best_epoch = self._step = 0

    def on_begin(self, trainer: Trainer) -> None:
        """Write where the training begins; cut the history back to where it goes on.

        The models are written again, too: of a run that a former version wrote and
        that died between two files, they may be those of another epoch.
        """
        self._save(trainer, with_checkpoint=not self._folder.has_begun)

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Write a checkpoint within a long epoch."""
        if time.monotonic() - self._written_at > _MOST_SECONDS:
            self._save(trainer)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Write the epoch down: its line alone, or a checkpoint and the models."""
        is_last = record["epoch"] == trainer.config.epochs or trainer.stop_reason
        if is_last or time.monotonic() - self._written_at > _LEAST_SECONDS:
            self._save(trainer)
        else:
            self._folder.append_history(record)

    def on_interrupt(self, trainer: Trainer) -> None:
        """Write a checkpoint within the epoch."""
        self._save(trainer)

    def on_end(self, trainer: Trainer) -> None:
        """Write where a callback ended the training, and the curves."""
        if trainer.stop_reason and trainer.position.step != self._step:
            self._save(trainer)
        if len(trainer.history):
            from pellucid.runs.picture import save_figure
            from pellucid.training.curves import figure

            save_figure(figure(trainer.history), self._folder.curves)

    def _save(self, trainer: Trainer, *, with_checkpoint: bool = True) -> None:
        """Write all files of this moment, together.

        Raises
        ------
        DivergenceError
            If a weight is not finite; what was written before stays.
        """
        state = trainer.session.state()
        check_weights(weights_of(state), epoch=trainer.position.epoch)
        with writing(self._folder.path, at=self._folder.checkpoint) as stage:
            if self._recipe is not None:
                stage.write(self._folder.recipe.name, self._recipe)
            if with_checkpoint:
                checkpoint = Checkpoint(
                    state=state, position=trainer.position, history=trainer.history
                )
                stage.write(self._folder.checkpoint.name, checkpoint.to_bytes())
            stage.write(self._folder.history.name, history_bytes(trainer.history))
            self._write_models(stage, trainer, state)
        self._recipe = None
        self._best_epoch = trainer.position.best.epoch
        self._step = trainer.position.step
        self._written_at = time.monotonic()

    def _write_models(self, stage: Stage, trainer: Trainer, state: State) -> None:
        position = trainer.position
        if position.step:
            weights = position.average or weights_of(state)
            last = self._model(weights, position.epochs_begun)
            stage.write(self._folder.last.name, last)
        best = position.best
        if best.weights and best.epoch != self._best_epoch:
            epochs = position.first_epoch + best.epoch
            stage.write(self._folder.best.name, self._model(best.weights, epochs))

    def _model(self, weights: Weights, epochs: int) -> bytes:
        file = dataclasses.replace(self._template, weights=weights, epochs=epochs)
        return file.to_bytes()
