"""This file is what `Model.fit` does with its arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.data import Augment, Dataset
from pellucid.engines.head import require
from pellucid.errors import NetworkError, RunError
from pellucid.model.inputs import checked_dataset
from pellucid.network import to_json
from pellucid.objectives import Loss, Optimizer, Schedule
from pellucid.runs import Checkpoint, Recorder, RunFolder, provenance
from pellucid.training import (
    Callback,
    EarlyStopping,
    History,
    Plan,
    Position,
    ShowProgress,
    Trainer,
)

if TYPE_CHECKING:
    from pellucid.model.handle import Model
    from pellucid.runs.recipe import Recipe

_LEAST_VALIDATION_BATCH = 256  # images; validation needs no small batches


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """The arguments of `Model.fit`, checked for their types."""

    data: Dataset
    epochs: int
    batch_size: int
    validation_split: float
    validation_data: Dataset | None
    schedule: Schedule
    metrics: tuple[str, ...]
    class_weight: Mapping[int, float] | None
    callbacks: tuple[Callback, ...]
    clip_norm: float | None
    augment: Augment | None
    shuffle: bool
    early_stopping: EarlyStopping | None
    run: Path | None
    resume: bool
    shows_progress: bool
    #: written into the run's folder, instead of one made of these arguments
    recipe: Recipe | None = None


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where a training begins, and who writes it down."""

    position: Position
    history: History
    recorders: tuple[Callback, ...] = ()


def fit(model: Model, request: FitRequest) -> History:
    """Train a model and return the history."""
    loss: Loss = require("loss", model.loss)
    optimizer: Optimizer = require("optimizer", model.optimizer)
    train, validation = _datasets(model, request)
    if len(train.classes) == model.network.output_shape[-1]:
        model.classes = model.classes or train.classes
    if request.clip_norm is not None and not request.clip_norm > 0:
        raise NetworkError(
            f"fit: clip_norm must be positive; got clip_norm={request.clip_norm}."
        )
    model.clip(request.clip_norm)
    with _beginning(model, request) as begin:
        trainer = Trainer(
            model.network,
            model.session,
            loss=loss,
            train=model.batches(
                train,
                request.batch_size,
                shuffle=request.shuffle,
                augment=request.augment,
            ),
            validation=None
            if validation is None
            else model.batches(
                validation, max(request.batch_size, _LEAST_VALIDATION_BATCH)
            ),
            plan=_plan(request, optimizer),
            callbacks=[*begin.recorders, *_watchers(request)],
            position=begin.position,
            history=begin.history,
        )
        return trainer.run()


def _plan(request: FitRequest, optimizer: Optimizer) -> Plan:
    return Plan(
        epochs=request.epochs,
        learning_rate=optimizer.learning_rate,
        schedule=request.schedule,
        metrics=request.metrics,
        class_weight=request.class_weight,
        early_stopping=request.early_stopping,
        keeps_best=request.run is not None,
    )


def _watchers(request: FitRequest) -> tuple[Callback, ...]:
    progress = (ShowProgress(),) if request.shows_progress else ()
    return (*request.callbacks, *progress)


def _datasets(model: Model, request: FitRequest) -> tuple[Dataset, Dataset | None]:
    network, loss = model.network, model.loss
    data = checked_dataset(request.data, "fit", network, loss)
    if request.validation_data is not None:
        held_out = request.validation_data
        return data, checked_dataset(held_out, "validation_data", network, loss)
    if request.validation_split:
        return data.split(request.validation_split, seed=model.seed)
    return data, None


@contextmanager
def _beginning(model: Model, request: FitRequest) -> Iterator[_Begin]:
    """Open the run's folder, if there is one, and its checkpoint on resuming."""
    if request.run is None:
        if request.resume:
            raise RunError("fit: resume must name a run; got run=None.")
        yield _Begin(Position(), History())
        return
    folder = RunFolder(request.run)
    if not request.resume:
        folder.create()
    elif not folder.has_begun:
        raise RunError(
            f"resume: '{folder.path}' must hold a checkpoint; got none. "
            "Train without resume first."
        )
    with folder.locked():
        position, history = Position(), History()
        if request.resume:
            checkpoint = Checkpoint.read(folder.checkpoint)
            model.load_state(checkpoint.state)
            position, history = checkpoint.position, checkpoint.history
        elif folder.has_begun:
            raise RunError(
                f"run: '{folder.path}' must be new; got a run of "
                f"{len(Checkpoint.read(folder.checkpoint).history)} epochs. Resume it, "
                "or choose another name."
            )
        _write_recipe(model, request, folder)
        yield _Begin(position, history, (Recorder(folder, model.file()),))


def _write_recipe(model: Model, request: FitRequest, folder: RunFolder) -> None:
    """Write recipe.toml: the one that was handed over, or one of the arguments."""
    from pellucid.runs.tensor_file import write_bytes

    if request.recipe is not None:
        write_bytes(folder.recipe, request.recipe.to_toml().encode())
        return
    if folder.recipe.exists():
        return
    from pellucid.runs.recipe import Recipe

    augment = request.augment
    document: dict[str, Any] = {
        "network": to_json(model.network),
        "data": {"given": "python"},
        "engine": model.engine.name,
        "loss": model.loss.to_json() if model.loss else {},
        "optimizer": model.optimizer.to_json() if model.optimizer else {},
        "schedule": request.schedule.to_json(),
        "epochs": request.epochs,
        "batch_size": request.batch_size,
        "validation_split": request.validation_split,
        "metrics": request.metrics,
        "class_weight": {str(k): v for k, v in (request.class_weight or {}).items()}
        or None,
        "early_stopping": dataclasses.asdict(request.early_stopping)
        if request.early_stopping
        else None,
        "clip_norm": request.clip_norm,
        "augment": dataclasses.asdict(augment) if augment else None,
        "shuffle": request.shuffle,
        "seed": model.seed,
        "dtype": model.dtype,
        "preprocessing": model.preprocessing.to_json(),
        "provenance": provenance(model.engine.name),
    }
    recipe = Recipe.parse(document, origin="fit")
    write_bytes(folder.recipe, recipe.to_toml().encode())
