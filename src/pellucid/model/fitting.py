"""This file is what `Model.fit` does with its arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.data import Augment, Dataset
from pellucid.engines.head import require
from pellucid.engines.world import world_of
from pellucid.errors import DataError, NetworkError
from pellucid.model.beginning import beginning
from pellucid.model.inputs import checked_dataset
from pellucid.objectives import Loss, Optimizer, Schedule, metrics_for
from pellucid.training import (
    Callback,
    EarlyStopping,
    History,
    Plan,
    ShowProgress,
    Trainer,
)
from pellucid.training.early_stopping import check_monitor

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
    metrics: tuple[str, ...] | None
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


def fit(model: Model, request: FitRequest) -> History:
    """Train a model and return the history."""
    loss: Loss = require("loss", model.loss)
    optimizer: Optimizer = require("optimizer", model.optimizer)
    train, validation = _datasets(model, request)
    meaning = model.settle_meaning(train.labels)
    if meaning.can_be_named(train.classes):
        model.classes = model.classes or train.classes
    metrics = tuple(metrics_for(meaning, request.metrics))
    request = dataclasses.replace(request, metrics=metrics)
    early, has_validation = request.early_stopping, validation is not None
    check_monitor(early, metrics, has_validation=has_validation)
    if request.clip_norm is not None and not request.clip_norm > 0:
        raise NetworkError(
            f"fit: clip_norm must be positive; got clip_norm={request.clip_norm}."
        )
    model.input_range.record(train.images)
    if validation is not None:
        model.input_range.check(validation.images)
    model.clip(request.clip_norm)
    world = world_of(model.engine)
    shard = (world.rank, world.size)
    with beginning(model, request, world) as begin:
        trainer = Trainer(
            model.network,
            model.session,
            loss=loss,
            train=model.batches(
                train,
                request.batch_size,
                shuffle=request.shuffle,
                augment=request.augment,
                shard=shard,
            ),
            validation=None
            if validation is None
            else model.batches(
                validation,
                max(request.batch_size, _LEAST_VALIDATION_BATCH),
                shard=shard,
            ),
            plan=_plan(request, optimizer),
            callbacks=[*begin.recorders, *_watchers(request)],
            position=begin.position,
            history=begin.history,
            world=world,
            meaning=meaning,
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
    own = data.validation
    if request.validation_split:
        if own is not None:
            raise DataError(
                "fit: validation_split must be 0 where the data has validation data "
                f"of its own; got validation_split={request.validation_split} and "
                f"{len(own):,} validation images."
            )
        return data.split(request.validation_split, seed=model.seed)
    if own is not None:
        return data, checked_dataset(own, "validation_data", network, loss)
    return data, None
