"""This file is the metrics: numbers for people, never for the gradient."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError

Array = npt.NDArray[Any]
Metric = Callable[[Array, Array], Array]


def per_example(values: Array) -> Array:
    """Return each example's mean over its positions, shape (N,)."""
    if values.ndim == 1:
        return values.astype(np.float64) if values.dtype == np.bool_ else values
    mean: Array = values.reshape(len(values), prod(values.shape[1:])).mean(axis=1)
    return mean


def correct(output: Array, labels: Array) -> Array:
    """Return 1 where an example is classified rightly, shape (N,).

    Several outputs: the largest (the first of equal ones) against the class. One
    output, or labels that are not classes: each number rounded at ½ against the
    label, an example being right where all are.
    """
    if labels.ndim == output.ndim - 1 and labels.dtype.kind in "iu":
        hits = output.argmax(axis=-1) == labels
    elif output.shape[-1] > 1:
        hits = output.argmax(axis=-1) == labels.reshape(output.shape).argmax(axis=-1)
    else:
        hits = ((output > 0.5) == (labels.reshape(output.shape) > 0.5))[..., 0]
    return per_example(hits)


def top5_correct(output: Array, labels: Array) -> Array:
    """Return 1 where the class is among the five largest outputs, shape (N,)."""
    classes = labels if labels.ndim == output.ndim - 1 else labels.argmax(axis=-1)
    mine = np.take_along_axis(output, classes[..., None].astype(np.int64), axis=-1)
    return per_example((output > mine).sum(axis=-1) < 5)


def absolute_error(output: Array, labels: Array) -> Array:
    """Return the mean absolute error of each example, shape (N,)."""
    return per_example(np.abs(output - labels.reshape(output.shape)))


METRICS: dict[str, Metric] = {
    "accuracy": correct,
    "top5_accuracy": top5_correct,
    "mean_absolute_error": absolute_error,
}


def as_metrics(names: tuple[str, ...] | list[str]) -> dict[str, Metric]:
    """Return the metrics of those names.

    Raises
    ------
    NetworkError
        If there is none of a name.
    """
    for name in names:
        if name not in METRICS:
            raise NetworkError(
                f"metrics: must be among {', '.join(METRICS)}; got {name!r}."
            )
    return {name: METRICS[name] for name in names}


def confusion_matrix(predicted: Array, labels: Array, classes: int) -> Array:
    """Return counts, shape (classes, classes): row = label, column = predicted."""
    flat = labels.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(flat.ravel(), minlength=classes**2).reshape(classes, classes)
