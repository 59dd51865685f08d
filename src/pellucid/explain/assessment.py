"""A trained network's report: loss, accuracy, each class, its mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from pellucid.explain.class_table import class_table, html_table, summary_lines
from pellucid.explain.values import Array
from pellucid.objectives import ClassScores, OutputMeaning, confidence_interval


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
    class_areas : tuple of (float or None)
        Area under each class's ROC curve, against all others; None where all or no
        examples are of it, and of single pixels.
    calibration : float, optional
        How far probabilities are from accuracy; None of a regression and of pixels.
    """

    metrics: dict[str, float]
    count: int
    meaning: OutputMeaning
    classes: tuple[str, ...]
    confusion: Array
    mistakes: tuple[Mistake, ...]
    class_areas: tuple[float | None, ...] = ()
    calibration: float | None = None

    @property
    def scores(self) -> ClassScores:
        """Precision, recall and F1 of each class or label."""
        return ClassScores.of(self.confusion)

    @property
    def summary(self) -> dict[str, float]:
        """Means over classes (macro), micro averages, AUC and calibration error."""
        if not self.classes:
            return {}
        scores, names = self.scores, ("precision", "recall", "f1")
        micro = scores.micro()
        found = {name: float(getattr(scores, name).mean()) for name in names}
        for name in names:
            found[f"micro_{name}"] = float(getattr(micro, name)[0])
        known = [area for area in self.class_areas if area is not None]
        if known and len(known) == len(self.class_areas):
            found["auc"] = float(np.mean(known))
        if self.calibration is not None:
            found["calibration_error"] = self.calibration
        return found

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy; (0, 1) of a regression.

        Of pixels and labels it takes each for an example of its own, which those of
        one image are not: reports leave it out there.
        """
        if not self.classes:
            return 0.0, 1.0
        if self.confusion.ndim == 3:
            right = np.trace(self.confusion, axis1=1, axis2=2).sum()
        else:
            right = np.trace(self.confusion)
        return confidence_interval(float(right), int(self.confusion.sum()))

    @property
    def is_of_examples(self) -> bool:
        """Whether accuracy counts examples, one answer each: no pixels, no labels."""
        meaning = self.meaning
        is_one = meaning.kind != "labels" and not meaning.is_per_pixel
        return bool(self.classes) and is_one

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

    @property
    def class_iou(self) -> Array:
        """Each class's intersection over union, counted over all, shape (K,).

        NaN of a class that neither occurs nor is predicted; of independent labels, of
        having them.
        """
        if self.confusion.ndim == 3:
            both = self.confusion[:, 1, 1]
            either = self.confusion.sum(axis=(1, 2)) - self.confusion[:, 0, 0]
        else:
            both = np.diagonal(self.confusion)
            counts = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
            either = counts - both
        out = np.full(len(both), np.nan)
        np.divide(both, either, out=out, where=either > 0)
        return out

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        rows = zip(self.classes, self.class_accuracy, strict=True)
        overlap = zip(self.classes, self.class_iou, strict=True)
        per_pixel = self.classes and self.meaning.is_per_pixel
        ious = {n: None if np.isnan(x) else float(x) for n, x in overlap}
        return {
            **({"class_iou": ious} if per_pixel else {}),
            "metrics": self.metrics,
            "count": self.count,
            "output_meaning": self.meaning.to_json(),
            "classes": list(self.classes),
            "class_accuracy": {
                name: None if np.isnan(share) else float(share) for name, share in rows
            },
            "confusion": self.confusion.tolist(),
            "summary": self.summary,
            "accuracy_interval": list(self.accuracy_interval)
            if self.is_of_examples
            else None,
            "class_scores": self._class_scores(),
            "mistakes": [_mistake_json(m) for m in self.mistakes],
        }

    def _class_scores(self) -> dict[str, dict[str, float | None]]:
        if not self.classes:
            return {}
        scores, areas = self.scores, self.class_areas or (None,) * len(self.classes)
        found: dict[str, dict[str, float | None]] = {}
        for k, label in enumerate(self.classes):
            names = ("precision", "recall", "f1")
            found[label] = {name: float(getattr(scores, name)[k]) for name in names}
            found[label]["auc"] = areas[k]
        return found

    def __str__(self) -> str:
        """Return the figures in lines of text."""
        metrics = ", ".join(f"{k} {v:.4f}" for k, v in self.metrics.items())
        return "\n".join([f"{self.count:,} images: {metrics}", *summary_lines(self)])

    def _repr_html_(self) -> str:
        """Show the figures, and those of each class as a table, in notebooks."""
        lines = "<br>".join(escape(line) for line in str(self).split("\n"))
        head, rows = class_table(self)
        return f"<p>{lines}</p>{html_table(head, rows) if rows else ''}"


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
