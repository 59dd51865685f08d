"""Metrics of whole datasets, which are no means over examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.objectives.output_meaning import Kind, OutputMeaning
from pellucid.objectives.scores import (
    ClassScores,
    area_under_curve,
    calibration_error,
    r_squared,
)

Array = npt.NDArray[Any]
_ALL: tuple[Kind, ...] = ("classes", "binary", "labels")


@dataclass(frozen=True, slots=True)
class DatasetMetric:
    """A metric of all outputs and labels together.

    Parameters
    ----------
    meaning : OutputMeaning
        What the output means.
    compute : callable
        ``compute(meaning, outputs, labels)``.
    """

    meaning: OutputMeaning
    compute: Callable[[OutputMeaning, Array, Array], float]

    def __call__(self, outputs: Array, labels: Array) -> float:
        """Return the figure.

        Parameters
        ----------
        outputs, labels : ndarray, shape (N, …)
            Of the whole dataset.

        Returns
        -------
        float
            One number.
        """
        return self.compute(self.meaning, outputs, labels)


def count_confusion(meaning: OutputMeaning, output: Array, labels: Array) -> Array:
    """Return the confusion matrix of outputs; of independent labels one each.

    Parameters
    ----------
    meaning : OutputMeaning
        Classes, two classes or labels.
    output, labels : ndarray, shape (N, …)
        Outputs, and labels in a form that the meaning takes.

    Returns
    -------
    ndarray of int64, shape (K, K) or (K, 2, 2)
        Row: label, column: what was predicted.
    """
    predicted, truth = meaning.predict(output), meaning.targets(labels, output.shape)
    if meaning.kind != "labels":
        return confusion_matrix(predicted, truth, meaning.class_count)
    pairs = ((predicted[..., k], truth[..., k]) for k in range(meaning.class_count))
    return np.stack([confusion_matrix(*pair, 2) for pair in pairs])


def confusion_matrix(predicted: Array, labels: Array, classes: int) -> Array:
    """Count predictions by label.

    Parameters
    ----------
    predicted, labels : ndarray
        Class numbers from 0, of the same shape.
    classes : int
        Number of classes, K.

    Returns
    -------
    ndarray, shape (K, K)
        int64 counts: row = label, column = predicted class.
    """
    flat = labels.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(flat.ravel(), minlength=classes**2).reshape(classes, classes)


def class_columns(
    meaning: OutputMeaning, output: Array, labels: Array
) -> list[tuple[Array, Array]]:
    """Return each class's probabilities, and whether it is there, both flat.

    Parameters
    ----------
    meaning : OutputMeaning
        Classes, two classes or labels.
    output, labels : ndarray, shape (N, …)
        As in `count_confusion`.

    Returns
    -------
    list of tuple of ndarray
        One for each class or label.
    """
    shares = meaning.probabilities(output)
    truth = meaning.targets(labels, output.shape)
    columns = range(meaning.class_count)
    if meaning.kind == "labels":
        pairs = ((shares[..., k], truth[..., k]) for k in columns)
    else:
        pairs = ((shares[..., k], truth == k) for k in columns)
    return [(score.ravel(), is_there.ravel()) for score, is_there in pairs]


def confidences(
    meaning: OutputMeaning, output: Array, labels: Array
) -> tuple[Array, Array]:
    """Return the probability of each answer, and whether it is right, both flat.

    Parameters
    ----------
    meaning : OutputMeaning
        Classes, two classes or labels.
    output, labels : ndarray, shape (N, …)
        As in `count_confusion`.

    Returns
    -------
    tuple of ndarray
        Floats and booleans of one length.
    """
    shares, predicted = meaning.probabilities(output), meaning.predict(output)
    right = predicted == meaning.targets(labels, output.shape)
    if meaning.kind == "labels":
        sure = np.where(predicted, shares, 1 - shares)
    else:
        sure = np.take_along_axis(shares, predicted[..., None], -1)[..., 0]
    return sure.ravel(), right.ravel()


def _of_classes(
    name: str, *, micro: bool = False
) -> Callable[[OutputMeaning, Array, Array], float]:
    def compute(meaning: OutputMeaning, output: Array, labels: Array) -> float:
        scores = ClassScores.of(count_confusion(meaning, output, labels))
        values: Array = getattr(scores.micro() if micro else scores, name)
        return float(values.mean())

    return compute


def _auc(meaning: OutputMeaning, output: Array, labels: Array) -> float:
    pairs = class_columns(meaning, output, labels)
    return float(np.mean([area_under_curve(*pair) for pair in pairs]))


def _calibration(meaning: OutputMeaning, output: Array, labels: Array) -> float:
    return calibration_error(*confidences(meaning, output, labels))


def _r2(meaning: OutputMeaning, output: Array, labels: Array) -> float:
    del meaning
    return r_squared(output, labels)


#: name → the kinds of output it says something of, and its formula
DATASET_METRICS: dict[
    str, tuple[tuple[Kind, ...], Callable[[OutputMeaning, Array, Array], float]]
] = {
    "precision": (_ALL, _of_classes("precision")),
    "recall": (_ALL, _of_classes("recall")),
    "f1": (_ALL, _of_classes("f1")),
    "micro_precision": (_ALL, _of_classes("precision", micro=True)),
    "micro_recall": (_ALL, _of_classes("recall", micro=True)),
    "micro_f1": (_ALL, _of_classes("f1", micro=True)),
    "jaccard": (_ALL, _of_classes("jaccard")),
    "auc": (_ALL, _auc),
    "calibration_error": (_ALL, _calibration),
    "r2": (("regression",), _r2),
}
