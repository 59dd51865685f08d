"""Training of a model: check the arguments, run the trainer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.data import Batches, Dataset, sampling_weights
from pellucid.data.augment_checks import check_augment_of, check_mixable
from pellucid.engines.distributed import world_of
from pellucid.engines.loss_input import require
from pellucid.errors import DataError, NetworkError, RunError
from pellucid.model.accumulating import accumulating
from pellucid.model.inputs import check_dataset
from pellucid.model.run_setup import get_class_names, open_run, run_trainer
from pellucid.model.several_fit import fit_several
from pellucid.network.ports import has_several
from pellucid.objectives import (
    DATASET_METRICS,
    Loss,
    Optimizer,
    select_metrics,
    usual_metrics,
)
from pellucid.training import (
    Callback,
    FitConfig,
    History,
    ShowProgress,
    compute_example_weights,
)
from pellucid.training.early_stopping import check_monitor
from pellucid.training.notebook import NotebookProgress, is_notebook

if TYPE_CHECKING:
    from pellucid.model.model import Model
    from pellucid.runs.recipe import Recipe

_LEAST_VALIDATION_BATCH = 256  # images; validation needs no small batches


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """The arguments of `Model.fit`, checked for their types."""

    data: Dataset | Any
    config: FitConfig
    validation_data: Dataset | Any | None = None
    callbacks: tuple[Callback, ...] = ()
    run: Path | None = None
    resume: bool = False
    shows_progress: bool = True
    #: of data that comes in batches of its own
    steps_per_epoch: int | None = None
    #: what each example of ``data`` counts in the loss
    sample_weight: Any | None = None
    #: written into the run's folder, instead of one made of these arguments
    recipe: Recipe | None = None

    @property
    def all_callbacks(self) -> tuple[Callback, ...]:
        """Those that were given, and the one that shows progress."""
        if not self.shows_progress:
            return self.callbacks
        return (
            *self.callbacks,
            NotebookProgress() if is_notebook() else ShowProgress(),
        )


def fit(model: Model, request: FitRequest) -> History:
    """Train a model and return the history."""
    if has_several(model.network):
        return fit_several(model, request)
    loss: Loss = require("loss", model.loss)
    optimizer: Optimizer = require("optimizer", model.optimizer)
    train, validation, sample_weight = _split_data(model, request)
    meaning = model.settle_meaning(train.labels)
    if meaning.can_be_named(train.classes):
        model.classes = model.classes or train.classes
    config = request.config
    if config.metrics is None:
        config = dataclasses.replace(config, metrics=usual_metrics(meaning, loss))
        request = dataclasses.replace(request, config=config)
    metrics = tuple(select_metrics(meaning, config.metrics))
    early, has_validation = config.early_stopping, validation is not None
    _check_dataset_metrics(request, metrics, has_validation=has_validation)
    check_monitor(early, metrics, has_validation=has_validation)
    weight = compute_example_weights(
        train.labels,
        loss=loss,
        output_shape=model.network.output_shape,
        class_weight=config.class_weight,
        sample_weight=sample_weight,
        classes=get_class_names(model, train),
    )
    if config.augment is not None:
        if config.augment.mixes:
            check_mixable(train.labels)
        check_augment_of(config.augment, train.image_shape)
    model.input_range.record(train.images)
    if validation is not None:
        model.input_range.check(validation.images)
    model.clip(config.clip_norm)
    world = world_of(model.engine)
    shard = (world.rank, world.size)
    with open_run(model, request, world, train) as begin:
        position = begin.position
        batches = model.batches(
            train,
            config.batch_size,
            shuffle=config.shuffle,
            augment=config.augment,
            first_epoch=position.first_epoch,
            weights=sampling_weights(config.sampler, train.labels),
            shard=shard,
        )
        _check_position(position.batch, batches)
        return run_trainer(
            model,
            request,
            begin,
            accumulating(model, config, loss, optimizer),
            train=batches,
            validation=None
            if validation is None
            else model.batches(
                validation,
                max(config.batch_size, _LEAST_VALIDATION_BATCH),
                shard=shard,
            ),
            world=world,
            meaning=meaning,
            example_weight=weight,
        )


def _check_dataset_metrics(
    request: FitRequest, metrics: tuple[str, ...], *, has_validation: bool
) -> None:
    """Refuse metrics that no epoch would have: those of a dataset are of no batch.

    A recipe's are measured on its test data in any case.
    """
    early = request.config.early_stopping
    for name in set(metrics) & set(DATASET_METRICS):
        is_alone = not has_validation and request.recipe is None
        if is_alone or (early is not None and early.monitor == name):
            raise NetworkError(
                f"metrics: {name} must be measured on validation data, for it is no "
                f"mean over batches; got {'none' if is_alone else f'monitor={name!r}'}."
                f" Give validation_split{'' if is_alone else f' and val_{name}'}."
            )


def _check_position(batch: int, batches: Batches) -> None:
    """Refuse to go on in the middle of an epoch that has fewer batches."""
    if batch > len(batches):
        raise RunError(
            f"resume: data must be that of the run, which stands behind batch {batch} "
            f"of an epoch; got data of {len(batches)} batches."
        )


class _Datasets(NamedTuple):
    """What is trained on, what is validated with, and the former's weights."""

    train: Dataset
    validation: Dataset | None
    sample_weight: npt.NDArray[Any] | None


def _split_data(model: Model, request: FitRequest) -> _Datasets:
    network, loss = model.network, model.loss
    data = check_dataset(request.data, "fit", network, loss)
    weight = None
    if request.sample_weight is not None:
        weight = np.asarray(request.sample_weight)
        if weight.shape[:1] != (len(data),):
            raise DataError(
                f"fit: sample_weight must be {len(data)} numbers, one for each "
                f"example; got shape={weight.shape}."
            )
    if request.validation_data is not None:
        held_out = request.validation_data
        checked = check_dataset(held_out, "validation_data", network, loss)
        return _Datasets(data, checked, weight)
    own = data.validation
    if not request.config.validation_split:
        if own is not None:
            own = check_dataset(own, "validation_data", network, loss)
        return _Datasets(data, own, weight)
    if own is not None:
        raise DataError(
            "fit: validation_split must be 0 where the data has validation data "
            f"of its own; got validation_split={request.config.validation_split} and "
            f"{len(own):,} validation images."
        )
    rest, part = data.split_positions(request.config.validation_split, seed=model.seed)
    weight = None if weight is None else weight[rest]
    return _Datasets(data.subset(rest), data.subset(part), weight)
