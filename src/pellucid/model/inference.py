"""Predict and evaluate with a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Augment, Batches, Dataset, as_dataset
from pellucid.data.streams import has_numbers, is_array_like, is_frame, is_stream
from pellucid.engines.ports import join
from pellucid.engines.protocol import Session
from pellucid.errors import DataError
from pellucid.model import ports
from pellucid.model.frames import read_examples, read_images
from pellucid.model.inputs import (
    check_dataset,
    prepare_images,
)
from pellucid.model.ports import as_metrics
from pellucid.model.several_fit import evaluate_several
from pellucid.model.state import StatefulModel
from pellucid.model.streams import batches_of, predict_stream
from pellucid.network.ports import has_several
from pellucid.objectives import (
    Metrics,
    has_plain_labels,
    select_metrics,
    usual_metrics,
)
from pellucid.training import (
    TestTimeAugment,
    evaluate,
)
from pellucid.training.test_time import TestTimeSession

Array = npt.NDArray[Any]
Data = Dataset | Sequence[Any]
_CHUNK = 256  # images that predict hands to an engine at once
_AHEAD = 4  # batches made ahead by a thread; where there is only one, without


class InferenceModel(StatefulModel):
    """A model that predicts and evaluates."""

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
        if (
            type(images) is np.ndarray
            and images.shape == self._one_vector
            and images.dtype is self._element
            and tta is None
        ):  # microseconds count: nothing to prepare
            return self._session.predict(images)
        if has_several(self.network):
            return ports.predict(self, images, _CHUNK, tta=tta)
        is_array = isinstance(images, np.ndarray)
        if not is_array and is_frame(images):
            is_table = has_numbers(images)
            images = images.to_numpy() if is_table else read_images(self, images)
        if not is_array and is_stream(images) and not is_array_like(images):
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
        if has_several(self.network):
            return evaluate_several(
                self, data, metrics, batch_size, session=self.view(tta)
            )
        if is_frame(data):
            data = read_examples(self, data, test=True)
        if is_stream(data):
            return self._evaluate_stream(data, as_metrics(self.network, metrics), tta)
        dataset = as_dataset(data)
        dataset = check_dataset(dataset, "evaluate", self.network, self.loss)
        self.input_range.check(dataset.images)
        meaning = self.meaning_for(dataset.labels)
        if has_plain_labels(self.loss):
            meaning.targets(dataset.labels, (len(dataset), *self.network.output_shape))
        given = as_metrics(self.network, metrics)
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
