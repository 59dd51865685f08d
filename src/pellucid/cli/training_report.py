"""Messages of `pellucid train`: start, epochs, interruption, result."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.metric_lines import metric_lines
from pellucid.cli.output import answer, emit, say, table
from pellucid.errors import PellucidError
from pellucid.network.ports import has_several
from pellucid.runs import RunFolder
from pellucid.training import Callback

if TYPE_CHECKING:
    from pellucid.explain import Symptom
    from pellucid.recipes import Outcome
    from pellucid.runs.recipe import Recipe
    from pellucid.training import EpochRecord, Trainer

_FEW = 16  # test examples printed individually, and numbers of each


class Announcement(Callback):
    """Print network, data, engine and run folder before training."""

    may_stop = False

    def __init__(self, recipe: Recipe, path: Path) -> None:
        self._recipe = recipe
        self._path = path

    def on_begin(self, trainer: Trainer) -> None:
        """Print the summary."""
        network, recipe = trainer.network, self._recipe
        parts = [f"{len(trainer.train.dataset):,} training images"]
        if trainer.validation is not None:
            parts.append(f"{len(trainer.validation.dataset):,} validation images")
        precision = recipe.engine_options.get("precision", recipe.dtype)
        products = "" if precision == recipe.dtype else f", precision {precision}"
        lines = {
            "network": f"{network.name}: {network.parameter_count:,} parameters, "
            f"{network.multiply_adds:,} multiply-adds per image",
            "data": f"{recipe.data.source}: {', '.join(parts)}",
            "engine": f"{recipe.engine}, {recipe.dtype}{products}",
            "run": str(self._path),
        }
        for key, text in lines.items():
            say(f"{key:8} {text}")
        if trainer.position.step:
            say(f"resume   {_describe_position(trainer)}")


def _describe_position(trainer: Trainer) -> str:
    """Say where a run goes on."""
    position = trainer.position
    if not position.batch:
        return f"after epoch {position.epoch}"
    return f"in epoch {position.epoch + 1}, after step {position.step}"


class EpochLines(Callback):
    """Write a JSON object for each epoch to stdout."""

    may_stop = False

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Write the epoch's record."""
        del trainer
        emit({"event": "epoch", **record})


class ReachedStep(Callback):
    """Record the last step of the training, saved or not."""

    may_stop = False

    def __init__(self) -> None:
        self.step: int | None = None

    def on_begin(self, trainer: Trainer) -> None:
        """Record the first step."""
        self.step = trainer.position.step

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Record the step."""
        del loss
        self.step = trainer.position.step


def stop_message(path: Path, reached: ReachedStep) -> str:
    """Return a message about what an interrupted training has saved.

    Parameters
    ----------
    path : Path
        The run's folder.
    reached : Reached
        The last step in this process.
    """
    from pellucid.runs import Checkpoint

    folder = RunFolder(path)
    if not folder.has_begun:
        return "stopped before the first step; nothing is saved."
    try:
        position = Checkpoint.read(folder.checkpoint).position
    except PellucidError as error:
        return f"stopped; the checkpoint cannot be read. {error}"
    go_on = f"Continue with: pellucid train --resume {path}"
    place = f"step {position.step} (epoch {position.epoch + 1})"
    if reached.step is None:
        return f"stopped before the first step; the checkpoint is at {place}. {go_on}"
    lost = reached.step - position.step
    if lost <= 0:
        return f"stopped; saved at {place}. {go_on}"
    steps = "the step" if lost == 1 else f"the {lost} steps"
    return (
        f"stopped; saved at {place}, without {steps} after it, which will be "
        f"repeated. {go_on}"
    )


def print_result(outcome: Outcome, *, json: bool, quiet: bool) -> None:
    """Print the result; the last line is the main metric on the test data.

    If there is only validation data, the lines say so.
    """
    best = _best_epoch(outcome)
    if json:
        emit(
            {
                "event": "result",
                "run": str(outcome.run),
                "network": outcome.model.network.name,
                "engine": outcome.model.engine.name,
                "epochs": len(outcome.history),
                "best_epoch": best,
                "test": outcome.metrics,
                "tested_on": outcome.tested_on,
                "training_s": outcome.training_s,
                "compiling_s": outcome.compiling_s,
                "symptoms": [symptom.to_json() for symptom in _diagnose(outcome)],
                **_predictions(outcome),
            }
        )
        return
    if not quiet:
        if best is not None and best != len(outcome.history):
            say(
                f"Best epoch: {best}; its weights are tested and saved as best.pellucid"
            )
        say(
            f"Trained in {outcome.training_s:.2f} s, after "
            f"{outcome.compiling_s:.2f} s of compiling"
        )
        say(f"Saved in {outcome.run}")
        for symptom in _diagnose(outcome):
            say(f"note: {symptom.text}\n      {symptom.advice}")
    if _is_small(outcome):
        answer(_small_table(outcome))
    outputs = outcome.model.network.outputs
    for line in metric_lines(outcome.metrics, outcome.tested_on, outputs):
        answer(line)


def _diagnose(outcome: Outcome) -> tuple[Symptom, ...]:
    """Return what went wrong; nothing of the four points of a truth table."""
    from pellucid.explain import diagnose

    if _is_small(outcome) or has_several(outcome.model.network):
        return ()
    return diagnose(outcome.model, outcome.history, outcome.test)


def _best_epoch(outcome: Outcome) -> int | None:
    """Return the best epoch, if one was finished."""
    from pellucid.runs import Checkpoint

    if outcome.run is None or not len(outcome.history):
        return None
    return Checkpoint.read(RunFolder(outcome.run).checkpoint).position.best.epoch


def _is_small(outcome: Outcome) -> bool:
    """Return whether each test example can be printed, with all its numbers."""
    network = outcome.model.network
    if has_several(network):
        return False
    numbers = math.prod(network.input_shape)
    return len(outcome.test) <= _FEW and numbers <= _FEW


def _predictions(outcome: Outcome) -> dict[str, Any]:
    if not _is_small(outcome):
        return {}
    rows = zip(*_examples(outcome), strict=True)
    keys = ("input", "label", "output")
    return {"predictions": [dict(zip(keys, row, strict=True)) for row in rows]}


def _examples(outcome: Outcome) -> tuple[list[Any], list[Any], list[Any]]:
    images, labels = outcome.test.images[:], outcome.test.labels
    return images.tolist(), labels.tolist(), outcome.model.predict(images).tolist()


def _small_table(outcome: Outcome) -> str:
    def text(values: Any, form: str) -> str:
        if isinstance(values, list):
            return " ".join(text(value, form) for value in values)
        return format(values, form)

    rows = [
        (text(x, "g"), text(t, "g"), text(y, ".4f"))
        for x, t, y in zip(*_examples(outcome), strict=True)
    ]
    return table(
        ("input", "label", "prediction"), rows, numbers=("label", "prediction")
    )
