"""Labels: whether they fit a loss, and the shape that it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.objectives.formula_loss import FormulaLoss
from pellucid.objectives.loss import Loss
from pellucid.objectives.losses import BinaryCrossEntropy, CrossEntropy
from pellucid.objectives.numpy_loss import NumpyLoss
from pellucid.objectives.table import LOSSES

Array = npt.NDArray[Any]

#: by which a sum of probabilities may exceed 1: they may be float16
_ROUNDING = 1e-2


def reshape_labels(loss: Loss, labels: Array, output_shape: tuple[int, ...]) -> Array:
    """Check labels, and return them in the shape that the loss takes.

    Booleans become integers, and classes of shape (N, …, 1) lose the last axis: a
    mask of one channel, a column.

    Parameters
    ----------
    loss : Loss
        What they are for.
    labels : ndarray
        As given.
    output_shape : tuple of int
        (N, …) of the output.

    Returns
    -------
    ndarray
        As the loss takes them.

    Raises
    ------
    DataError
        As `check_labels`.
    """
    if isinstance(loss, FormulaLoss | NumpyLoss):
        return loss.check_labels(labels, output_shape)
    if labels.dtype.kind == "b":
        labels = labels.astype(np.int64)
    is_column = labels.shape == (*output_shape[:-1], 1) != output_shape
    if is_column and labels.dtype.kind in "iu" and loss.absorbs == "Softmax":
        labels = labels[..., 0]
    check_labels(loss, labels, output_shape)
    return labels


def check_labels(loss: Loss, labels: Array, output_shape: tuple[int, ...]) -> None:
    """Check labels against the loss and the shape (N, …) of the output.

    Parameters
    ----------
    loss : Loss
        What they are for.
    labels : ndarray
        As given.
    output_shape : tuple of int
        (N, …) of the output.

    Raises
    ------
    DataError
        If their shape does not fit, a class is out of range, a number is not finite,
        or probabilities of classes are negative or sum to more than 1.
    """
    if isinstance(loss, FormulaLoss | NumpyLoss):
        loss.check_labels(labels, output_shape)
        return
    is_own = type(loss) not in LOSSES.values()
    is_classes = isinstance(loss, CrossEntropy) or (
        is_own and labels.dtype.kind in "iu" and labels.shape == output_shape[:-1]
    )
    is_classes = is_classes and labels.shape != output_shape
    if is_classes:
        if labels.shape != output_shape[:-1]:
            raise DataError(
                f"{loss.name}: labels must have shape {output_shape[:-1]} (classes) or "
                f"{output_shape} (probabilities); got shape={labels.shape}."
            )
        if labels.dtype.kind not in "iu":
            raise DataError(
                f"{loss.name}: labels of classes must be integers; "
                f"got dtype={labels.dtype}."
            )
        classes = output_shape[-1]
        if labels.size and (labels.min() < 0 or labels.max() >= classes):
            advice = " For two classes from one output take binary_cross_entropy."
            raise DataError(
                f"{loss.name}: labels must be from 0 to {classes - 1}; "
                f"got labels from {labels.min()} to {labels.max()}."
                f"{advice if classes == 1 else ''}"
            )
        return
    if labels.size != np.prod(output_shape) or len(labels) != output_shape[0]:
        is_index = labels.shape == output_shape[:-1] and labels.dtype.kind in "biu"
        advice = " For one class of several take cross_entropy, or one-hot labels."
        raise DataError(
            f"{loss.name}: labels must have shape {output_shape}; "
            f"got shape={labels.shape}.{advice if is_index else ''}"
        )
    if not np.isfinite(labels).all():
        raise DataError(f"{loss.name}: labels must be finite; got NaN or infinity.")
    if isinstance(loss, CrossEntropy) and labels.size:
        _check_probabilities(loss, labels)
    if isinstance(loss, BinaryCrossEntropy) and labels.size:
        least, most = labels.min(), labels.max()
        if least < 0 or most > 1:
            raise DataError(
                f"{loss.name}: labels must be from 0 to 1; "
                f"got labels from {least} to {most}."
            )


def _check_probabilities(loss: CrossEntropy, labels: Array) -> None:
    """Refuse rows that are no probabilities of classes; they may leave some out."""
    if (least := labels.min()) < 0:
        raise DataError(
            f"{loss.name}: probabilities of classes must be at least 0; got {least}."
        )
    if (most := labels.sum(axis=-1, dtype=np.float64).max()) > 1 + _ROUNDING:
        raise DataError(
            f"{loss.name}: the probabilities of an example's classes must sum to at "
            f"most 1; got a sum of {most:.6g}. Where several classes hold at once take "
            "binary_cross_entropy."
        )
