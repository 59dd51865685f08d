"""The model: a network with weights on an engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Augment, Batches, Dataset, Sampler, as_dataset
from pellucid.data.streams import has_numbers, is_array_like, is_frame, is_stream
from pellucid.engines.loss_input import require
from pellucid.engines.ports import join, loss_terms
from pellucid.engines.protocol import Engine, Session, State
from pellucid.engines.registry import as_engine
from pellucid.engines.state import checked_weights, initial_state
from pellucid.errors import DataError, EngineError, NetworkError, ShapeError
from pellucid.model import ports
from pellucid.model.fit import FitRequest, fit
from pellucid.model.frames import read_examples, read_images
from pellucid.model.input_range import InputRange
from pellucid.model.inputs import (
    Examples,
    check_dataset,
    check_examples,
    prepare_images,
)
from pellucid.model.ports import refuse_single
from pellucid.model.several_fit import evaluate_several, fit_several
from pellucid.model.streams import batches_of, fit_stream, predict_stream
from pellucid.model.transfer import Freeze, adapt, name_classes, transfer
from pellucid.model.weights import Weights
from pellucid.network import Network, Preprocessing
from pellucid.network.head import find_head
from pellucid.network.ports import has_several, require_single
from pellucid.objectives import (
    FormulaLoss,
    Loss,
    Metrics,
    Optimizer,
    OutputMeaning,
    Schedule,
    as_optimizer,
    as_schedule,
    check_groups,
    has_plain_labels,
    metric_list,
    output_losses,
    output_meaning,
    select_metrics,
    usual_metrics,
)
from pellucid.runs import ModelFile
from pellucid.training import (
    Callback,
    ClassWeight,
    EarlyStopping,
    FitConfig,
    History,
    TestTimeAugment,
    WeightAverage,
    as_average,
    as_callbacks,
    evaluate,
)
from pellucid.training.test_time import TestTimeSession

Array = npt.NDArray[Any]
Data = Dataset | Sequence[Any]
_DTYPES = ("float32", "float64")
_CHUNK = 256  # images that predict hands to an engine at once
_AHEAD = 4  # batches made ahead by a thread; where there is only one, without


class Model:
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
    >>> import pellucid as pl
    >>> model = pl.Model(pl.zoo("mnist-torch"), engine="numpy")
    >>> model.predict(np.zeros((2, 28, 28, 1), np.uint8)).shape
    (2, 10)
    """

    def __init__(
        self,
        network: Network,
        *,
        engine: str | Engine = "compiled",
        loss: str | Loss | Mapping[str, str | Loss] | None = None,
        loss_weights: Mapping[str, float] | None = None,
        optimizer: str | Optimizer | None = None,
        seed: int = 0,
        dtype: str = "float32",
        preprocessing: Preprocessing | None = None,
        classes: Sequence[str] = (),
        output_meaning: OutputMeaning | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise NetworkError(
                f"Model: network must be a Network; got {type(network).__name__}. "
                "Take one from pellucid.zoo(name), or describe it with Sequential."
            )
        if dtype not in _DTYPES:
            raise EngineError(
                f"Model: dtype must be one of {', '.join(_DTYPES)}; got {dtype!r}."
            )
        self.network = network
        self.engine = as_engine(engine)
        self.loss = output_losses(network.outputs, loss, loss_weights)
        self.optimizer = as_optimizer(optimizer)
        self.seed = seed
        self.dtype = dtype
        self.preprocessing = preprocessing or network.preprocessing or Preprocessing()
        self.classes = tuple(str(name) for name in classes)
        self._output_meaning = output_meaning
        #: epochs that `fit` has begun: the next one has the order that follows
        self.epochs = 0
        self._check_objective()
        self.input_range = InputRange(self.preprocessing)
        self._clip_norm: float | None = None
        self._session = self._build(initial_state(network, seed=seed, dtype=dtype))

    def _check_objective(self) -> None:
        if self.optimizer is not None:
            names = [weight.name for weight in self.network.parameters]
            check_groups(self.optimizer, names)
        for term in loss_terms(self.network, self.loss):
            if isinstance(term.loss, FormulaLoss):  # its channels must be there
                term.loss.program(self.network.shapes[term.node])
        if len(self.network.outputs) > 1:
            if self._output_meaning is not None or self.classes:
                raise refuse_single("classes and output_meaning", self.network)
            return
        given, columns = self._output_meaning, self.network.output_shape[-1]
        if given is not None and given.columns != columns:
            raise NetworkError(
                "Model: output_meaning must have the columns of the output; "
                f"got {given.columns} columns for {columns} outputs."
            )
        meaning = self.output_meaning
        if self.classes and not meaning.can_be_named(self.classes):
            raise NetworkError(
                "Model: classes must name each output; "
                f"got {len(self.classes)} classes for {columns} outputs "
                f"({meaning.describe()})."
            )

    def _build(self, state: State) -> Session:
        optimizer = self.optimizer
        if optimizer is not None and self._clip_norm is not None:
            optimizer = dataclasses.replace(optimizer, clip_norm=self._clip_norm)
        return self.engine.build(
            self.network,
            state=state,
            loss=self.loss,
            optimizer=optimizer,
            dtype=self.dtype,
        )

    def clip(self, norm: float | None) -> None:
        """Clip the gradients' common norm from now on; None ends that.

        Parameters
        ----------
        norm : float or None
            Largest common Euclidean norm.
        """
        if norm != self._clip_norm:
            self._clip_norm = norm
            self._session = self._build(self._session.state())

    # -- meaning ---------------------------------------------------------------

    @property
    def output_meaning(self) -> OutputMeaning:
        """What the output means: as it was given or trained, else derived."""
        if len(self.network.outputs) > 1:
            raise refuse_single("output_meaning", self.network)
        return self._output_meaning or output_meaning(self.network, self.loss)

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class or label, its number where it has none."""
        return self.output_meaning.class_names(self.classes)

    def meaning_for(self, labels: npt.ArrayLike) -> OutputMeaning:
        """Return what the output means for data with those labels.

        That of the training, if there was one: labels decide only where network and
        loss leave it open.

        Parameters
        ----------
        labels : array
            Labels of the data.

        Returns
        -------
        OutputMeaning
            The meaning.
        """
        if self._output_meaning is not None:
            return self._output_meaning
        return output_meaning(self.network, self.loss, labels)

    def settle_meaning(self, labels: npt.ArrayLike) -> OutputMeaning:
        """Keep what the output means for the labels that are trained on.

        Parameters
        ----------
        labels : array
            Labels of the training data.

        Returns
        -------
        OutputMeaning
            The meaning, which stays.
        """
        self._output_meaning = self.meaning_for(labels)
        return self._output_meaning

    # -- running ---------------------------------------------------------------

    def predict(self, images: Any, *, tta: TestTimeAugment | None = None) -> Any:
        """Return the network's output.

        Parameters
        ----------
        images : array, shape (N, *input shape)
            Floats are taken as they are; uint8 goes through ``preprocessing``. Of
            several inputs a tuple in the network's order, or a dict by node name. Or
            what gives batches itself, as in `fit`; labels are left aside. A frame of
            pandas has rows of numbers, or paths of pictures.
        tta : TestTimeAugment, optional
            Views of each image whose outputs are averaged.

        Returns
        -------
        ndarray of the model's dtype, shape (N, …)
            Logits, or probabilities where the network ends in Softmax or Sigmoid.
            N = 0 gives an empty array. Of several outputs a tuple in the network's
            order; a dict by node name where the inputs were one.

        Raises
        ------
        ShapeError, DataError
            If the images do not fit.
        """
        if tta is not None:
            require_single("predict with tta", self.network)
        if has_several(self.network):
            return ports.predict(self, images, _CHUNK)
        if is_frame(images):
            is_table = has_numbers(images)
            images = images.to_numpy() if is_table else read_images(self, images)
        if is_stream(images) and not is_array_like(images):
            return predict_stream(self, images, _CHUNK, tta=tta)
        x, session = self._input(images), self.view(tta)
        if 0 < len(x) <= _CHUNK:
            output: Array = session.predict(x)
            return output
        if len(x) == 0:
            return np.zeros((0, *self.network.output_shape), self.dtype)
        starts = range(0, len(x), _CHUNK)
        return np.concatenate([session.predict(x[i : i + _CHUNK]) for i in starts])

    def view(self, tta: TestTimeAugment | None) -> Session:
        """Return the session, or one whose outputs are means over views.

        Parameters
        ----------
        tta : TestTimeAugment or None
            What is averaged.

        Returns
        -------
        Session
            Of this model's weights.
        """
        if tta is None:
            return self._session
        return TestTimeSession(self._session, self.network, tta)

    def evaluate(
        self,
        data: Data,
        *,
        metrics: Metrics | Mapping[str, Metrics] | None = None,
        batch_size: int = 256,
        tta: TestTimeAugment | None = None,
    ) -> dict[str, float]:
        """Return the mean loss (if the model has one) and metrics over data.

        Parameters
        ----------
        data : Dataset or (images, labels), or an iterable of batches
            What to look at; see `fit`.
        metrics : sequence of str or function, optional
            accuracy, top5_accuracy, iou, mean_absolute_error, losses and functions as
            in `fit`; if left out, accuracy of classes and labels, mean_absolute_error
            of a regression.
        batch_size : int
            Images handed to the engine at once.
        tta : TestTimeAugment, optional
            Views of each image whose outputs are averaged.

        Returns
        -------
        dict of str to float
            ``loss`` in nats, and each metric.

        Raises
        ------
        DataError, ShapeError
            If the data does not fit.
        NetworkError
            If a metric says nothing of what the output means.
        """
        if tta is not None:
            require_single("evaluate with tta", self.network)
        if has_several(self.network):
            return evaluate_several(self, data, metrics, batch_size)
        if is_frame(data):
            data = read_examples(self, data, test=True)
        if is_stream(data):
            return self._evaluate_stream(data, _metrics(self.network, metrics), tta)
        dataset = as_dataset(data)
        dataset = check_dataset(dataset, "evaluate", self.network, self.loss)
        self.input_range.check(dataset.images)
        meaning = self.meaning_for(dataset.labels)
        if has_plain_labels(self.loss):
            meaning.targets(dataset.labels, (len(dataset), *self.network.output_shape))
        given = _metrics(self.network, metrics)
        chosen = usual_metrics(meaning, self.loss) if given is None else given
        return evaluate(
            self.network,
            self.view(tta),
            self.batches(dataset, batch_size),
            loss=self.loss,
            metrics=select_metrics(meaning, chosen),
        )

    def _evaluate_stream(
        self, data: Any, metrics: Metrics | None, tta: TestTimeAugment | None
    ) -> dict[str, float]:
        batches = batches_of(self, data, _CHUNK)
        first = batches.first()
        self.input_range.check(first.images)
        meaning = self.meaning_for(first.labels)
        return evaluate(
            self.network,
            self.view(tta),
            batches,
            loss=self.loss,
            metrics=select_metrics(
                meaning,
                usual_metrics(meaning, self.loss) if metrics is None else metrics,
            ),
        )

    def train_step(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        *,
        learning_rate: float | None = None,
        sample_weight: npt.ArrayLike | None = None,
        masks: Mapping[str, Array] | None = None,
    ) -> float:
        """Do one optimizer update and return the loss before it.

        Parameters
        ----------
        images : array, shape (N, *input shape)
            The batch; with several inputs a tuple, or a dict by node name.
        labels : array, shape (N, …)
            As the loss takes them; with several outputs a tuple or dict.
        learning_rate : float, optional
            The optimizer's own if left out.
        sample_weight : array, shape (N,), optional
            Weight of each example in the loss.
        masks : mapping of node name to ndarray, optional
            Dropout masks of 0 and 1 / (1 − rate), instead of those drawn.

        Returns
        -------
        float
            Mean loss in nats, before the update.
        """
        x, y, weight = self._examples(images, labels, sample_weight, is_training=True)
        optimizer: Optimizer = require("optimizer", self.optimizer)
        rate = optimizer.learning_rate if learning_rate is None else learning_rate
        result = self._session.train_step(
            x, y, learning_rate=rate, sample_weight=weight, masks=masks
        )
        return result.loss

    def activations(
        self, images: npt.ArrayLike, *, training: bool = False
    ) -> dict[str, Array]:
        """Return every node's output by name, each of shape (N, …).

        Parameters
        ----------
        images : array, shape (N, *input shape)
            The batch; with several inputs a tuple or dict.
        training : bool
            Whether batch norm and dropout behave as in training.

        Returns
        -------
        dict of node name to ndarray
            In topological order.
        """
        return self._session.activations(self._inputs(images), training=training)

    def gradients(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss and the gradient of each parameter, in training mode.

        Parameters
        ----------
        images : array, shape (N, *input shape)
            The batch; with several inputs a tuple or dict.
        labels : array, shape (N, …)
            As the loss takes them.
        sample_weight : array, shape (N,), optional
            Weight of each example in the loss.

        Returns
        -------
        tuple of float and dict
            Loss in nats, and {weight name: gradient, of the weight's shape}.
        """
        x, y, weight = self._examples(images, labels, sample_weight)
        return self._session.gradients(x, y, sample_weight=weight)

    def vjp(
        self,
        images: npt.ArrayLike,
        grad_output: npt.ArrayLike,
        *,
        training: bool = True,
    ) -> tuple[Array, dict[str, Array]]:
        """Return the vector-Jacobian product with respect to images and parameters.

        Parameters
        ----------
        images : array, shape (N, *input shape)
            The batch.
        grad_output : array, shape (N, *output shape)
            Gradient of a scalar with respect to the network's output.
        training : bool
            Whether batch norm and dropout behave as in training.

        Returns
        -------
        grad_input : ndarray, shape (N, *input shape)
            Gradient of that scalar with respect to the images.
        grad_weights : dict of weight name to ndarray
            Gradient of that scalar with respect to each parameter.
        """
        if has_several(self.network):
            given = ports.prepare_inputs(self, images)
            grads = ports.check_grad_outputs(self, grad_output, len(given[0]))
            return self._session.vjp(join(given), grads, training=training)
        x = self._input(images)
        grad = np.asarray(grad_output, self.dtype)
        expected = (len(x), *self.network.output_shape)
        if grad.shape != expected:
            raise ShapeError(
                f"vjp: grad_output must have shape {expected}; got shape={grad.shape}."
            )
        return self._session.vjp(x, grad, training=training)

    # -- training --------------------------------------------------------------

    def fit(
        self,
        data: Data,
        *,
        epochs: int = 1,
        batch_size: int = 64,
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
            Dataset of PyTorch, a tf.data.Dataset, a PyDataset of Keras, a list; or a
            frame of pandas with pictures' paths, labels and perhaps parts, see
            `data.load`. Of
            several inputs (outputs) images (labels) are a tuple in the network's
            order, or a dict by node name; metrics, class_weight and sample_weight are
            dicts by output then, and the history has ``<output>_loss`` too.
        epochs, batch_size : int
            Passes over the data; examples of one update.
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
            Random changes of the images.
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
            Examples are drawn with replacement: each class as often, or each example
            as its weight says.
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
        streams = not several and is_stream(data)
        make = _as_given if several or streams else as_dataset
        by_output: Any = class_weight
        request = FitRequest(
            data=make(data),
            config=FitConfig(
                epochs=epochs,
                batch_size=batch_size,
                validation_split=validation_split,
                schedule=as_schedule(schedule),
                metrics=_metrics(self.network, metrics),
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
            sample_weight=sample_weight,
            callbacks=as_callbacks(callbacks),
            run=None if run is None else Path(run),
            resume=resume,
            shows_progress=progress,
        )
        if streams:
            return fit_stream(self, request)
        return fit_several(self, request) if several else fit(self, request)

    def batches(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        shuffle: bool = False,
        augment: Augment | None = None,
        first_epoch: int = 0,
        weights: npt.NDArray[np.float64] | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> Batches:
        """Return a dataset cut into batches as this model takes them.

        ``shard`` is (rank, world), for one of several processes; ``first_epoch`` is
        as in `Batches`.

        Parameters
        ----------
        dataset : Dataset
            Images and labels.
        batch_size : int
            Examples in a batch.
        shuffle : bool
            Whether each epoch has an order of its own.
        augment : Augment, optional
            What is done to images at random.
        first_epoch : int
            As in `Batches`.
        weights : ndarray, shape (N,), optional
            As in `Batches`.
        shard : tuple of int
            (rank, world), for one of several processes.

        Returns
        -------
        Batches
            Seeded by the model, with its preprocessing.
        """
        return Batches(
            dataset,
            batch_size=batch_size,
            seed=self.seed,
            shuffle=shuffle,
            augment=augment,
            preprocessing=self.preprocessing,
            dtype=self.dtype,
            ahead=_AHEAD if len(dataset) > batch_size else 0,
            first_epoch=first_epoch,
            weights=weights,
            columns=self._mixed_columns(augment),
            shard=shard,
        )

    def _mixed_columns(self, augment: Augment | None) -> int | None:
        """Return how many classes integer labels count, where they are mixed."""
        if augment is None or not augment.mixes:
            return None
        meaning = self.output_meaning
        return meaning.columns if meaning.kind == "classes" else None

    # -- checks ----------------------------------------------------------------

    def _inputs(self, images: Any) -> Any:
        if has_several(self.network):
            return join(ports.prepare_inputs(self, images))
        return self._input(images)

    def _input(self, images: npt.ArrayLike, *, is_training: bool = False) -> Array:
        try:
            given = np.asarray(images)
        except ValueError as error:
            raise DataError(
                "Model: images must be one array, all of one shape; got a list of "
                "several shapes. Batches may be tuples (images,) in a list, or come "
                "from a loader."
            ) from error
        x = prepare_images(given, self.network, self.preprocessing, self.dtype)
        if is_training:
            self.input_range.record(given)
        else:
            self.input_range.check(given)
        return x

    def _examples(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        sample_weight: Any,
        *,
        is_training: bool = False,
    ) -> Examples | ports.SeveralExamples:
        if has_several(self.network):
            return ports.check_step(self, images, labels, sample_weight)
        loss: Loss = require("loss", self.loss)
        shape = self.network.output_shape
        x = self._input(images, is_training=is_training)
        return check_examples(x, labels, sample_weight, loss, shape)

    # -- weights and state -----------------------------------------------------

    @property
    def weights(self) -> Mapping[str, Array]:
        """All arrays by name, in topological order, weight before bias; read-only."""
        state = self._session.state()
        found = {w.name: state[f"weights/{w.name}"] for w in self.network.weights}
        for array in found.values():
            array.flags.writeable = False
        return Weights(found)

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over weights by name; optimizer and step stay.

        Parameters
        ----------
        weights : mapping of str to array
            Every weight of the network, in canonical layout.

        Raises
        ------
        EngineError, ShapeError
            If they are another network's.
        """
        checked = checked_weights(self.network, weights, dtype=self.dtype)
        state = self._session.state()
        state.update({f"weights/{name}": array for name, array in checked.items()})
        self._session.load_state(state)

    def state(self) -> dict[str, Array]:
        """Return copies of all that training changes, in canonical layouts.

        Weights, optimizer slots, the numbers of steps and of epochs.

        Returns
        -------
        dict of str to ndarray
            ``weights/<name>``, ``optimizer/<slot>/<name>``, ``step``, ``epochs``.
        """
        return {**self._session.state(), "epochs": np.asarray(self.epochs, np.int64)}

    def load_state(self, state: State) -> None:
        """Take over what `state` returned, on this or another engine.

        Parameters
        ----------
        state : mapping of str to ndarray
            As `state` returns it.
        """
        self._session.load_state(state)
        self.epochs = int(state.get("epochs", np.int64(0)))

    def to(self, engine: str | Engine) -> Model:
        """Return a new model on another engine, optimizer state included.

        Parameters
        ----------
        engine : str or Engine
            Where to run it.

        Returns
        -------
        Model
            A copy; this one is untouched.
        """
        other = Model(
            self.network,
            engine=engine,
            loss=self.loss,
            optimizer=self.optimizer,
            seed=self.seed,
            dtype=self.dtype,
            preprocessing=self.preprocessing,
            classes=self.classes,
            output_meaning=self._output_meaning,
        )
        other.load_state(self.state())
        other.input_range = self.input_range.copy()
        return other

    def transfer(
        self,
        network: Network | None = None,
        *,
        classes: int | Sequence[str] | None = None,
        head: str | None = None,
        freeze: Freeze | None = None,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer | None = None,
    ) -> Model:
        """Return a model that starts from this one's weights, with another head.

        With ``classes`` the head is replaced and drawn anew; all other weights are
        taken over, and frozen unless ``freeze`` says otherwise. Frozen weights have
        no gradient, no optimizer slots and no weight decay; a frozen BatchNorm uses
        its running statistics in training, too, and keeps them. This model stays.

        With a ``network``, weights of the same name and shape are taken over and all
        others drawn anew; it is frozen as it is. Loss and optimizer are this model's
        if left out; one that was read from another program's file has none.

        Parameters
        ----------
        network : Network, optional
            Another network; then without classes, head and freeze.
        classes : int or sequence of str, optional
            Outputs of the new head, or the classes' names. The head stays if left
            out, with its weights.
        head : str, optional
            Name of the node that is the head; the last with weights if left out.
        freeze : bool or str or sequence of str, optional
            True: all but the head; False: nothing; else nodes by name, or by what
            their names begin with (``"layer1"`` for ``layer1_0_conv1`` …). True if
            left out where classes are given.
        loss, optimizer : str or Loss or Optimizer, optional
            This model's if left out.

        Returns
        -------
        Model
            On the same engine.

        Raises
        ------
        NetworkError
            If there is no such head or node, or arguments exclude each other.

        Examples
        --------
        >>> import pellucid as pl
        >>> model = pl.Model(pl.zoo("lenet5"), engine="numpy")
        >>> other = model.transfer(classes=["cat", "dog"], loss="cross_entropy")
        >>> [weight.name for weight in other.network.parameters]
        ['dense_2.weight', 'dense_2.bias']
        """
        if network is not None:
            if (classes, head, freeze) != (None, None, None):
                raise NetworkError(
                    "transfer: classes, head and freeze must not be given with a "
                    "network, which has its own; got both."
                )
            return transfer(self, network, loss=loss, optimizer=optimizer)
        adapted = adapt(self.network, classes=classes, head=head, freeze=freeze)
        return transfer(
            self,
            adapted,
            loss=loss,
            optimizer=optimizer,
            classes=self.classes if classes is None else name_classes(classes),
            anew=None if classes is None else find_head(adapted, head).name,
        )

    @property
    def native(self) -> Any:
        """The engine's own object: an nn.Module, a keras.Model and the like."""
        return self._session.native  # type: ignore[attr-defined]

    @property
    def plan(self) -> Any:
        """The compiled engine's plan; EngineError on other engines."""
        plan = getattr(self._session, "plan", None)
        if plan is None:
            raise EngineError(
                "Model: plan must be asked of the compiled engine; "
                f"got engine={self.engine.name!r}."
            )
        return plan

    @property
    def session(self) -> Session:
        """The engine's session, for code that drives it itself."""
        return self._session

    # -- files -----------------------------------------------------------------

    def file(self) -> ModelFile:
        """Return what `save` writes.

        Returns
        -------
        ModelFile
            Network, weights, preprocessing and what else is kept.
        """
        return ModelFile(
            network=self.network,
            weights=self.weights,
            preprocessing=self.preprocessing,
            classes=self.classes,
            loss=self.loss,
            optimizer=self.optimizer,
            seed=self.seed,
            dtype=self.dtype,
            output_meaning=self._output_meaning,
            input_range=self.input_range.known,
            epochs=self.epochs,
        )

    def save(self, path: str | Path) -> None:
        """Write the model as one ``.pellucid`` file, whole or not at all.

        Parameters
        ----------
        path : path
            Usually with the ending ``.pellucid``.

        Raises
        ------
        RunError
            If the disk does not take it.
        """
        self.file().write(path)

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        """Return a model of its own on the same engine, optimizer state included."""
        del memo  # nothing in a model refers to it
        other = self.to(self.engine)
        other.clip(self._clip_norm)
        return other

    def __copy__(self) -> Model:
        """Return the same as `copy.deepcopy`: two models never share weights."""
        return self.__deepcopy__({})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the bytes of a ``.pellucid`` file with the optimizer's state."""
        from pellucid.model.copying import from_bytes, to_bytes

        return from_bytes, (to_bytes(self), self.engine, self._clip_norm)

    def __repr__(self) -> str:
        return f"<Model '{self.network.name}' on {self.engine.name}, {self.dtype}>"

    def _repr_html_(self) -> str:
        """Show engine, loss, optimizer and the network's table, in notebooks."""
        parts = [f"engine {self.engine.name}", self.dtype]
        parts += [f"{name} {value!r}" for name, value in self._objectives()]
        head = escape(f"Model '{self.network.name}': {', '.join(parts)}")
        return f"<p>{head}</p>{self.network._repr_html_()}"

    def _objectives(self) -> list[tuple[str, Any]]:
        given = {"loss": self.loss, "optimizer": self.optimizer}
        return [(name, value) for name, value in given.items() if value is not None]


def _as_given(data: Any) -> Any:
    """Return data of several inputs or outputs, which are checked by name later."""
    return data


def _metrics(network: Network, given: Any) -> Any:
    """Return metrics as a tuple; those of several outputs as they are, by output."""
    if given is None or has_several(network):
        return given
    if isinstance(given, Mapping):
        (given,) = ports.by_order("metrics", network.outputs, given)
    return metric_list(given)
