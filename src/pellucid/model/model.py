"""The model: a network with weights on an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pellucid.data import Augment, Sampler, as_dataset
from pellucid.data.streams import is_frame, is_stream
from pellucid.errors import DataError
from pellucid.model.fit import FitRequest, fit
from pellucid.model.frames import read_examples
from pellucid.model.gradients import DifferentiableModel
from pellucid.model.inference import Data
from pellucid.model.ports import as_metrics
from pellucid.model.streams import fit_stream
from pellucid.network.checks import integer
from pellucid.network.ports import has_several
from pellucid.objectives import (
    Metrics,
    Schedule,
    as_schedule,
)
from pellucid.training import (
    Callback,
    ClassWeight,
    EarlyStopping,
    FitConfig,
    History,
    WeightAverage,
    as_average,
    as_callbacks,
)


class Model(DifferentiableModel):
    """A network with weights on an engine.

    Parameters
    ----------
    network : Network
        What is computed.
    engine : str or Engine
        ``"compiled"``, ``"numpy"``, ``"torch"``, ``"tensorflow"``, ``"jax"``, or an
        object as in ``pellucid.engines.torch(device="cpu")``.
    loss : str, Loss or function, optional
        ``"cross_entropy"``, ``"binary_cross_entropy"``, ``"mse"``,
        ``"half_squared_error_sum"``, ``"dice"``, ``"focal"``, ``"huber"``,
        ``"kl_divergence"``, ``"triplet"`` or ``"yolo"``; a function of (output,
        target) is traced as by `TracedLoss`. Needed to train. Of several outputs a
        dict by output; those that are left out are not trained.
    loss_weights : mapping of str to float, optional
        What each output's loss is multiplied by in the sum; 1 where not named.
    optimizer : str or Optimizer, optional
        Needed to train.
    seed : int
        Decides initial weights, batch order, augmentation and dropout.
    dtype : {"float32", "float64"}
        Of all arithmetic; float64 not on every engine.
    preprocessing : Preprocessing, optional
        How uint8 images become input. The network's own, or [0, 1], if left out.
    classes : sequence of str
        Names of the classes, labels or values; `fit` takes them from the data. A
        single output of two classes has two names, that of class 0 first.
    output_meaning : OutputMeaning, optional
        What the output means: classes, two classes, labels or values. Derived from
        network, loss and the labels that `fit` is handed, if left out.

    Raises
    ------
    NetworkError, EngineError
        If an argument does not fit, or the engine cannot run the network.

    Examples
    --------
    >>> import numpy as np
    >>> import pellucid as pl
    >>> model = pl.Model(pl.zoo("mnist-torch"), engine="numpy")
    >>> model.predict(np.zeros((2, 28, 28, 1), np.uint8)).shape
    (2, 10)
    """

    def fit(
        self,
        data: Data,
        *,
        epochs: int = 1,
        batch_size: int = 64,
        steps_per_epoch: int | None = None,
        validation_split: float = 0.0,
        validation_data: Data | None = None,
        schedule: str | Schedule | Callable[..., float] | None = None,
        metrics: Metrics | Mapping[str, Metrics] | None = None,
        class_weight: ClassWeight | Mapping[str, ClassWeight] | None = None,
        sample_weight: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
        callbacks: Iterable[Callback | Callable[..., object]] = (),
        clip_norm: float | None = None,
        augment: Augment | None = None,
        shuffle: bool = True,
        early_stopping: int | EarlyStopping | None = None,
        average: str | WeightAverage | None = None,
        accumulate: int = 1,
        sampler: Sampler | None = None,
        run: str | Path | None = None,
        resume: bool = False,
        progress: bool = True,
    ) -> History:
        """Train.

        Called again, it goes on: order and augmentation of the examples are those of
        the epochs that follow, so that epochs in several calls are those of one.

        Parameters
        ----------
        data : Dataset or (images, labels), or an iterable of batches
            Training data: images of shape (N, *input shape), labels of length N; or
            what gives batches (images, labels[, weights]) itself: a DataLoader or
            Dataset of PyTorch, a tf.data.Dataset, a PyDataset of Keras, a list, a
            generator; or a frame of pandas with pictures' paths, labels and perhaps
            parts, see `data.load`. Of several inputs (outputs) images (labels) are a
            tuple in the network's order, or a dict by node name; metrics, class_weight
            and sample_weight are dicts by output then, and the history has
            ``<output>_loss`` too.
        epochs, batch_size : int
            Passes over the data; examples of one update.
        steps_per_epoch : int, optional
            Batches of an epoch, of data that gives batches itself: each epoch goes on
            where the last one ended, and data is begun anew at its end. If left out,
            an epoch is what the data gives once.
        validation_split : float
            Share of each class that is held out, 0 ≤ share < 1.
        validation_data : Dataset or (images, labels), optional
            Held-out data, instead of a split. Else that of ``data.validation``, where
            a folder of pictures has a validation part.
        schedule : str, Schedule or function, optional
            constant, step, cosine, one_cycle, warm_up, on_plateau, inverse_time,
            polynomial, cyclic; or a function that
            returns the learning rate: of (epoch), of (epoch, rate) with the last
            epoch's rate, or of (step), epochs and steps from 0. It begins anew with
            each call of `fit`.
        metrics : sequence of str or function, optional
            accuracy, top5_accuracy, iou, mean_absolute_error; losses, called
            <name>_loss; or functions of (output, target) that return a batch's mean, or
            a number for each example. If left out, accuracy of classes and labels,
            mean_absolute_error of a regression.
        class_weight : mapping, sequence, array or "balanced", optional
            Weight of each class's examples in the loss: {class number or name:
            weight}, 1 if not named; one for each class in order; or "balanced", as
            often as ``N / (K · N_c)`` of them. A batch that weighs 0 in all is
            skipped.
        sample_weight : array, shape (N,), optional
            Weight of each example in the loss, times that of its class.
        callbacks : iterable of Callback or function
            Called while training; of several processes, in the first. A function is
            called after each epoch, as (record) or (trainer, record).
        clip_norm : float, optional
            Largest common Euclidean norm of all gradients.
        augment : Augment, optional
            Random changes of the images; of several inputs, of all images alike.
            Labels of pixels move with them; places and boxes in labels do not.
        shuffle : bool
            Whether each epoch has an order of its own.
        early_stopping : int or EarlyStopping, optional
            When to end; an int is the patience.
        average : str or WeightAverage, optional
            ``"ema"``, ``"swa"``, ``"lookahead"``, or an object: averaged weights are
            validated, and kept at the end.
        accumulate : int
            Parts in which each batch's gradient is computed, for less memory.
        sampler : "balanced" or array, shape (N,), optional
            Examples are drawn with replacement: each class as often (of an output of
            several as ``{output: "balanced"}``), or each example as its weight says.
        run : path, optional
            Folder that keeps checkpoint, history, models and curves.
        resume : bool
            Whether to go on from the folder's checkpoint. What would mix two trainings
            (data, batch size, optimizer, …) must be as it was; epochs, callbacks and
            the engine may be others.
        progress : bool
            Whether to show progress on stderr.

        Returns
        -------
        History
            One record per epoch.

        Raises
        ------
        DataError, NetworkError
            If data or an argument does not fit.
        DivergenceError
            If the loss is no longer finite.
        RunError
            If the run's folder is in use, not empty or not writable.
        """
        if isinstance(early_stopping, int):
            early_stopping = EarlyStopping(patience=early_stopping)
        several = has_several(self.network)
        if is_frame(data):
            data = read_examples(self, data, test=False)
        if is_frame(validation_data):
            validation_data = read_examples(self, validation_data, test=False)
        streams = is_stream(data)
        if streams and several:
            raise DataError(
                "fit: data of several inputs or outputs must be arrays, as (inputs, "
                f"labels); got a {type(data).__name__}, which gives batches itself."
            )
        if steps_per_epoch is not None:
            _check_steps(steps_per_epoch, is_of_stream=streams)
        make = _as_given if several or streams else as_dataset
        by_output: Any = class_weight
        request = FitRequest(
            data=make(data),
            config=FitConfig(
                epochs=epochs,
                batch_size=batch_size,
                validation_split=validation_split,
                schedule=as_schedule(schedule),
                metrics=as_metrics(self.network, metrics),
                class_weight=by_output,
                clip_norm=clip_norm,
                augment=augment,
                shuffle=shuffle,
                early_stopping=early_stopping,
                average=as_average(average),
                accumulate=accumulate,
                sampler=sampler,
            ),
            validation_data=None if validation_data is None else make(validation_data),
            steps_per_epoch=steps_per_epoch,
            sample_weight=sample_weight,
            callbacks=as_callbacks(callbacks),
            run=None if run is None else Path(run),
            resume=resume,
            shows_progress=progress,
        )
        return fit_stream(self, request) if streams else fit(self, request)


def _check_steps(steps: int, *, is_of_stream: bool) -> None:
    """Refuse a length of an epoch that makes no sense, or that the data has itself."""
    integer("fit", "steps_per_epoch", steps, minimum=1)
    if not is_of_stream:
        raise DataError(
            "fit: steps_per_epoch must be left out where an epoch is all examples of "
            f"the data; got steps_per_epoch={steps}. Take data.subset(…) for fewer."
        )


def _as_given(data: Any) -> Any:
    """Return data of several inputs or outputs, which are checked by name later."""
    return data
