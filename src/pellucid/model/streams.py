"""Train, evaluate and predict on data that comes in batches of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.data import Dataset
from pellucid.data.batches import Batch
from pellucid.data.streams import RawBatch, Stream, is_stream
from pellucid.engines.loss_input import require
from pellucid.errors import DataError
from pellucid.model.accumulating import accumulating
from pellucid.model.inputs import check_examples, prepare_images
from pellucid.objectives import Loss, Optimizer, select_metrics, usual_metrics
from pellucid.training import History, Lookahead, TrainerState
from pellucid.training.early_stopping import check_monitor

if TYPE_CHECKING:
    from pellucid.model.fit import FitRequest
    from pellucid.model.inference import InferenceModel
    from pellucid.model.model import Model


class StreamBatches:
    """A stream's batches as a model takes them; it stands where `Batches` does."""

    shard = (0, 1)
    shuffle = False

    def __init__(
        self, model: InferenceModel, stream: Stream, *, first_epoch: int = 0
    ) -> None:
        self._model, self.stream = model, stream
        self.first_epoch: int = first_epoch
        self.dtype = np.dtype(model.dtype)
        self._size = 0
        self._begun: tuple[RawBatch, Iterator[RawBatch]] | None = None

    @property
    def count(self) -> int | None:
        """The number of batches of an epoch; None where the stream does not tell."""
        return self.stream.count

    @property
    def batch_size(self) -> int:
        """Images of the newest batch; 0 before the first one."""
        return self._size

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Go through the stream once."""
        count = 0
        source = self.stream.epoch(self.first_epoch + number, start)
        if self._begun is not None and number == start == 0:
            first, rest = self._begun
            source = chain([first], rest)
        self._begun = None
        for raw in source:
            batch = self._prepare(raw)
            self._size = len(batch.indices)
            count += 1
            yield batch
        if not count and start == 0:
            raise DataError("fit: data must have at least one batch; got none.")

    def _prepare(self, raw: RawBatch) -> Batch:
        model = self._model
        x = prepare_images(raw.images, model.network, model.preprocessing, model.dtype)
        if raw.labels is None:
            raise DataError("fit: a batch must have labels; got images alone.")
        loss = require("loss", model.loss)
        shape = model.network.output_shape
        found = check_examples(x, raw.labels, raw.sample_weight, loss, shape)
        indices = np.arange(len(x), dtype=np.int64)
        return Batch(found.images, found.labels, indices, found.sample_weight)

    def place(self, step: int) -> tuple[int, int]:
        """Return where this process's part begins, and the size of the last batch."""
        del step
        return 0, self._size

    def first(self) -> RawBatch:
        """Return the first batch of the first epoch, which goes on from there."""
        rest = iter(self.stream.epoch(self.first_epoch))
        for raw in rest:
            self._begun = raw, rest
            return raw
        raise DataError("fit: data must have at least one batch; got none.")


def fit_stream(model: Model, request: FitRequest) -> History:
    """Train on a stream.

    Raises
    ------
    DataError
        If the stream cannot be read twice, or an argument needs the whole data.
    """
    # slow to import; only trainings need it
    from pellucid.model.run_setup import TrainingStart, run_trainer

    loss: Loss = require("loss", model.loss)
    optimizer: Optimizer = require("optimizer", model.optimizer)
    config = request.config
    _refuse_whole(request)
    first_epoch = model.epochs
    stream = Stream(
        request.data,
        batch_size=config.batch_size,
        seed=model.seed,
        shuffle=config.shuffle,
        steps=request.steps_per_epoch,
    )
    _check_epochs(stream, "data", config.epochs)
    if stream.count is None and isinstance(config.average, Lookahead):
        raise DataError(
            "fit: data must tell how many batches it has for a Lookahead average; got "
            f"a {stream.kind} of unknown length. Give steps_per_epoch=."
        )
    train = StreamBatches(model, stream, first_epoch=first_epoch)
    first = train.first()
    if first.labels is None:
        raise DataError("fit: a batch must have labels; got images alone.")
    meaning = model.settle_meaning(first.labels)
    model.input_range.record(first.images)
    if config.metrics is None:
        config = dataclasses.replace(config, metrics=usual_metrics(meaning, loss))
    metrics = tuple(select_metrics(meaning, config.metrics))
    validation: Any = None
    if request.validation_data is not None:
        validation = batches_of(model, request.validation_data, config.batch_size)
        if isinstance(validation, StreamBatches):
            _check_epochs(validation.stream, "validation_data", config.epochs)
    check_monitor(config.early_stopping, metrics, has_validation=validation is not None)
    model.clip(config.clip_norm)
    return run_trainer(
        model,
        dataclasses.replace(request, config=config),
        TrainingStart(TrainerState(first_epoch=first_epoch), History()),
        accumulating(model, config, loss, optimizer),
        train=train,
        validation=validation,
        meaning=meaning,
    )


def _check_epochs(stream: Stream, name: str, epochs: int) -> None:
    """Refuse a source that cannot serve that many epochs, before the first one."""
    cut = ", or steps_per_epoch=" if name == "data" else ""  # which cuts data alone
    if stream.count is None and stream.is_endless:
        raise DataError(
            f"fit: {name} must come to an end; got a {stream.kind} without one. Give "
            f"a part of it{cut}."
        )
    if stream.is_once and not stream.has_steps and epochs > 1:
        raise DataError(
            f"fit: {name} must be iterable once for each epoch; got a {stream.kind}, "
            f"which serves one of {epochs}. Give an object whose __iter__ begins "
            f"anew{cut}."
        )


def _refuse_whole(request: FitRequest) -> None:
    """Refuse arguments that need all examples at once."""
    given = {
        "sampler": request.config.sampler,
        "validation_split": request.config.validation_split or None,
        "class_weight": request.config.class_weight,
        "sample_weight": request.sample_weight,
        "augment": request.config.augment,
        "run": request.run,
    }
    for name, value in given.items():
        if value is not None:
            raise DataError(
                f"fit: {name} must be left out where data comes in batches of its "
                f"own; got {name}={value!r}. Give arrays or a Dataset instead."
            )


def _batches(
    model: InferenceModel, data: Any, batch_size: int, shuffle: bool
) -> StreamBatches:
    stream = Stream(data, batch_size=batch_size, seed=model.seed, shuffle=shuffle)
    return StreamBatches(model, stream)


def batches_of(model: InferenceModel, data: Any, batch_size: int) -> Any:
    """Return a stream's batches in order, or those of a Dataset or pair."""
    if is_stream(data):
        return _batches(model, data, batch_size, shuffle=False)
    return model.batches(Dataset.of(data), batch_size)


def predict_stream(
    model: InferenceModel, data: Any, batch_size: int, *, tta: Any
) -> Any:
    """Return the outputs for all of a stream's images; labels are left aside."""
    stream = Stream(data, batch_size=batch_size)
    found = [model.predict(raw.images, tta=tta) for raw in stream.epoch(0)]
    if not found:
        return np.zeros((0, *model.network.output_shape), model.dtype)
    return np.concatenate(found)
