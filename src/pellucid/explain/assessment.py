"""A trained network's report: loss, accuracy, each class, its mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.data import Dataset
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.inputs import check_dataset
from pellucid.network.ports import require_single
from pellucid.objectives import OutputMeaning, confusion_matrix, select_metrics
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
    of_label : int, optional
        Which of several independent labels it is about; label and predicted are then
        1 where the example has it, else 0.
    file : str
        The file of the picture, where the dataset knows it; else empty.
    """

    index: int
    label: int
    predicted: int
    probability: float
    of_label: int | None = None
    file: str = ""

    def words(self, classes: tuple[str, ...]) -> tuple[str, str]:
        """Return what it is and what was said, by the classes' names.

        Parameters
        ----------
        classes : tuple of str
            Names of the classes.

        Returns
        -------
        tuple of str
            The label, and what was predicted.
        """
        if self.of_label is None:
            return classes[self.label], classes[self.predicted]
        name = classes[self.of_label]
        says = {0: f"not {name}", 1: name}
        return says[self.label], says[self.predicted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How good a network is on data.

    Parameters
    ----------
    metrics : dict of str to float
        loss (nats) and metrics, each a mean.
    count : int
        Examples that were looked at.
    meaning : OutputMeaning
        What the network's output means.
    classes : tuple of str
        Names of classes or labels; empty for a regression.
    confusion : ndarray of int64, shape (K, K)
        Row: label, column: what was predicted, counted over examples, or over the
        pixels of all. Of K independent labels, shape (K, 2, 2): for each of them.
        Empty for a regression.
    mistakes : tuple of Mistake
        All of them, the surest first; none of single pixels.
    """

    metrics: dict[str, float]
    count: int
    meaning: OutputMeaning
    classes: tuple[str, ...]
    confusion: Array
    mistakes: tuple[Mistake, ...]

    @property
    def counted(self) -> str:
        """What `confusion` counts: "images", or "pixels"."""
        return "pixels" if self.meaning.is_per_pixel else "images"

    @property
    def class_accuracy(self) -> Array:
        """Share of each class's examples that are right, shape (K,); NaN if none.

        Of independent labels, the share of all examples.
        """
        if self.confusion.ndim == 3:
            totals = self.confusion.sum(axis=(1, 2))
            right = np.trace(self.confusion, axis1=1, axis2=2)
        else:
            totals = self.confusion.sum(axis=1)
            right = np.diagonal(self.confusion)
        out = np.full(len(totals), np.nan)
        np.divide(right, totals, out=out, where=totals > 0)
        return out

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        rows = zip(self.classes, self.class_accuracy, strict=True)
        return {
            "metrics": self.metrics,
            "count": self.count,
            "output_meaning": self.meaning.to_json(),
            "classes": list(self.classes),
            "class_accuracy": {
                name: None if np.isnan(share) else float(share) for name, share in rows
            },
            "confusion": self.confusion.tolist(),
            "mistakes": [_mistake_json(m) for m in self.mistakes],
        }


def _mistake_json(mistake: Mistake) -> dict[str, Any]:
    document: dict[str, Any] = {
        "index": mistake.index,
        "label": mistake.label,
        "predicted": mistake.predicted,
        "probability": mistake.probability,
    }
    if mistake.of_label is not None:
        document["of_label"] = mistake.of_label
    if mistake.file:
        document["file"] = mistake.file
    return document


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

    Returns
    -------
    Assessment
        Accuracy, confusion matrix and the most confident mistakes.

    Raises
    ------
    DataError, ShapeError
        If the data does not fit the network.
    """
    require_single("evaluate", model.network, sharing=True)
    dataset = check_dataset(dataset, "evaluate", model.network, model.loss)
    meaning = model.meaning_for(dataset.labels)
    meaning.targets(dataset.labels, (len(dataset), *model.network.output_shape))
    counts = np.zeros(_confusion_shape(meaning), np.int64)
    mistakes: list[Mistake] = []

    def count_batch(count: int, output: Array, labels: Array) -> None:
        predicted = meaning.predict(output)
        truth = meaning.targets(labels, output.shape)
        np.add(counts, _confusion(meaning, predicted, truth), out=counts)
        if not meaning.is_per_pixel:
            shares = meaning.probabilities(output)
            mistakes.extend(_mistakes(shares, predicted, truth, count - len(output)))

    has_classes = meaning.class_count > 0
    metrics = evaluate(
        model.network,
        model.session,
        model.batches(dataset, batch_size),
        loss=model.loss,
        metrics=select_metrics(meaning),
        on_batch=count_batch if has_classes else None,
    )
    if dataset.files:
        mistakes = [replace(m, file=dataset.files[m.index]) for m in mistakes]
    named = model.classes if meaning.can_be_named(model.classes) else dataset.classes
    return Assessment(
        metrics=metrics,
        count=len(dataset),
        meaning=meaning,
        classes=meaning.class_names(named),
        confusion=counts,
        mistakes=tuple(sorted(mistakes, key=lambda m: -m.probability)),
    )


def _confusion_shape(meaning: OutputMeaning) -> tuple[int, ...]:
    count = meaning.class_count
    return (count, 2, 2) if meaning.kind == "labels" else (count, count)


def _confusion(meaning: OutputMeaning, predicted: Array, truth: Array) -> Array:
    """Return the counts of one batch."""
    if meaning.kind != "labels":
        return confusion_matrix(predicted, truth, meaning.class_count)
    return np.stack(
        [
            confusion_matrix(predicted[..., k], truth[..., k], 2)
            for k in range(meaning.class_count)
        ]
    )


def _mistakes(
    shares: Array, predicted: Array, truth: Array, start: int
) -> Iterator[Mistake]:
    """Yield the mistakes of a batch whose first example is number ``start``."""
    for place in np.argwhere(predicted != truth).tolist():
        row, *column = place
        said, label = int(predicted[tuple(place)]), int(truth[tuple(place)])
        if column:  # one of several labels: how sure it was of having it or not
            p = float(shares[row, column[0]])
            sure, of_label = (p if said else 1 - p), column[0]
        else:
            sure, of_label = float(shares[row, said]), None
        yield Mistake(
            index=start + row,
            label=label,
            predicted=said,
            probability=sure,
            of_label=of_label,
        )
