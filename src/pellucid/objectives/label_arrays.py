"""Label arrays: whether they are what a formula takes, and arranged for it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.objectives.loss import LabelKind

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


def check(
    who: str,
    kind: LabelKind,
    labels: Array,
    output_shape: Shape,
    ignored: float | None = None,
) -> Array:
    """Return labels for an output (N, …); booleans as integers, classes without a 1.

    Raises
    ------
    DataError
        If their shape does not fit, a class is out of range, or a number is not
        finite.
    """
    if labels.dtype.kind == "b":
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iuf":
        raise DataError(f"{who}: labels must be numbers; got dtype={labels.dtype}.")
    if kind == "none":
        if labels.ndim == 0 or len(labels) != output_shape[0]:
            raise DataError(
                f"{who}: labels must be {output_shape[0]}, one for each example; got "
                f"shape={labels.shape}."
            )
        return labels
    if kind == "classes":
        return _classes(who, labels, output_shape, ignored)
    wanted = output_shape if kind == "output" else (*output_shape[:-1], kind)
    if labels.size != prod(wanted) or labels.shape[:1] != wanted[:1]:
        raise DataError(
            f"{who}: labels must have shape {wanted}; got shape={labels.shape}."
        )
    if not np.isfinite(labels).all():
        raise DataError(f"{who}: labels must be finite; got NaN or infinity.")
    return labels


def _classes(
    who: str, labels: Array, output_shape: Shape, ignored: float | None
) -> Array:
    classes, places = output_shape[-1], output_shape[:-1]
    if labels.shape == output_shape and labels.shape != places:
        if not np.isfinite(labels).all():
            raise DataError(f"{who}: labels must be finite; got NaN or infinity.")
        return labels
    if labels.shape == (*places, 1) and labels.dtype.kind in "iu":
        labels = labels[..., 0]
    if labels.shape != places:
        raise DataError(
            f"{who}: labels must have shape {places} (classes) or {output_shape} "
            f"(probabilities); got shape={labels.shape}."
        )
    if labels.dtype.kind not in "iu":
        raise DataError(
            f"{who}: labels of classes must be integers; got dtype={labels.dtype}."
        )
    counted = labels if ignored is None else labels[labels != ignored]
    if counted.size and not 0 <= counted.min() <= counted.max() < classes:
        raise DataError(
            f"{who}: labels must be from 0 to {classes - 1}; got labels from "
            f"{counted.min()} to {counted.max()}."
        )
    return labels


def arrange(
    kind: LabelKind, labels: Array, output_shape: Shape, columns: int, dtype: Any
) -> Array:
    """Return labels of shape (N, positions, columns).

    Classes become rows of 0 and 1; classes that do not exist rows of 0.
    """
    shape = output_shape[0], prod(output_shape[1:-1]), columns
    if kind == "none":
        return np.zeros(shape, dtype)
    if kind == "classes" and labels.shape != output_shape:
        classes = labels.reshape(shape[:2])
        rows: Array = (classes[..., None] == np.arange(columns)).astype(dtype)
        return rows
    return np.asarray(labels, dtype).reshape(shape)
