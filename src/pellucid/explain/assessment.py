"""This file is a trained network's report: loss, accuracy, each class, its mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.data import Dataset
from pellucid.explain.probabilities import probabilities
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.inputs import checked_dataset
from pellucid.objectives import as_metrics, confusion_matrix
from pellucid.training import evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One example that was classified wrongly.

    Parameters
    ----------
    index : int
        Position in the dataset.
    label, predicted : int
        What it is, and what the network says.
    probability : float
        How sure the network was, in [0, 1].
    """

    index: int
    label: int
    predicted: int
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How good a network is on data.

    Parameters
    ----------
    metrics : dict of str to float
        loss (nats) and metrics, each a mean.
    count : int
        Examples that were looked at.
    classes : tuple of str
        Names; empty where labels are no classes.
    confusion : ndarray of int64, shape (K, K)
        Row: label, column: what was predicted; empty without classes.
    mistakes : tuple of Mistake
        All of them, the surest first.
    """

    metrics: dict[str, float]
    count: int
    classes: tuple[str, ...]
    confusion: Array
    mistakes: tuple[Mistake, ...]

    @property
    def class_accuracy(self) -> Array:
        """Share of each class's examples that are right, shape (K,); NaN if none."""
        totals = self.confusion.sum(axis=1)
        right = np.diagonal(self.confusion)
        out = np.full(len(totals), np.nan)
        np.divide(right, totals, out=out, where=totals > 0)
        return out

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        rows = zip(self.classes, self.class_accuracy, strict=True)
        return {
            "metrics": self.metrics,
            "count": self.count,
            "classes": list(self.classes),
            "class_accuracy": {
                name: None if np.isnan(share) else float(share) for name, share in rows
            },
            "confusion": self.confusion.tolist(),
            "mistakes": [
                {
                    "index": m.index,
                    "label": m.label,
                    "predicted": m.predicted,
                    "probability": m.probability,
                }
                for m in self.mistakes
            ],
        }


def assess(model: Model, dataset: Dataset, *, batch_size: int = 256) -> Assessment:
    """Run a network over data, and say where it is right.

    Parameters
    ----------
    model : Model
        On any engine.
    dataset : Dataset
        Images and labels.
    batch_size : int
        Images at once.

    Raises
    ------
    DataError, ShapeError
        If the data does not fit the network.
    """
    checked_dataset(dataset, "evaluate", model.network, model.loss)
    outputs: list[Array] = []
    metrics = evaluate(
        model.network,
        model.session,
        model.batches(dataset, batch_size),
        loss=model.loss,
        metrics=as_metrics(["accuracy"]),
        on_batch=lambda count, output, labels: outputs.append(output),
    )
    labels = dataset.labels
    shape = model.network.output_shape
    if labels.dtype.kind != "i" or labels.ndim != 1 or len(shape) != 1:
        return Assessment(
            metrics=metrics,
            count=len(dataset),
            classes=(),
            confusion=np.zeros((0, 0), np.int64),
            mistakes=(),
        )
    shares = probabilities(model, np.concatenate(outputs))
    predicted = shares.argmax(axis=1)
    names = model.classes or dataset.classes
    fits = len(names) == shape[0]
    return Assessment(
        metrics=metrics,
        count=len(dataset),
        classes=names if fits else tuple(map(str, range(shape[0]))),
        confusion=confusion_matrix(predicted, labels, shape[0]),
        mistakes=_mistakes(shares, predicted, labels),
    )


def _mistakes(shares: Array, predicted: Array, labels: Array) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(predicted != labels)
    sure = shares[wrong, predicted[wrong]]
    return tuple(
        Mistake(
            index=int(wrong[i]),
            label=int(labels[wrong[i]]),
            predicted=int(predicted[wrong[i]]),
            probability=float(sure[i]),
        )
        for i in np.argsort(-sure, kind="stable")
    )
