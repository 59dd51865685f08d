"""What each example counts in the loss: its class's weight times its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.objectives import BinaryCrossEntropy, CrossEntropy, Loss
from pellucid.training.class_weight import ClassWeight, class_weights

Array: TypeAlias = npt.NDArray[Any]
Memberships: TypeAlias = Array
_Kind: TypeAlias = Literal["indices", "shares"]

__all__ = ["ClassWeight", "balanced_weights", "compute_example_weights", "resolve"]


def compute_example_weights(
    labels: Array,
    *,
    loss: Loss,
    output_shape: tuple[int, ...],
    class_weight: ClassWeight | None = None,
    sample_weight: npt.ArrayLike | None = None,
    classes: Sequence[str] = (),
) -> Array | None:
    """Return the weight of each example in the loss.

    Parameters
    ----------
    labels : ndarray, shape (N, …)
        Classes, one-hot rows, or 0 and 1 of a single output. Probabilities of classes
        weigh as the mean of their classes' weights.
    loss : Loss
        Decides, with the output's shape, what a class is.
    output_shape : tuple of int
        Of one example.
    class_weight : mapping, sequence, array or "balanced", optional
        See `class_weights`. "balanced" gives ``N / (K · N_c)``, with K the number of
        classes that occur.
    sample_weight : array, shape (N,), optional
        Multiplies the weights of the classes.
    classes : sequence of str
        Names of the classes.

    Returns
    -------
    ndarray of float64, shape (N,), or None
        None where neither is given.

    Raises
    ------
    DataError
        If a weight is negative or not finite, a class does not exist, all examples
        would weigh 0, or the labels are not one class for each example.
    """
    weights = None
    if class_weight is not None and not _is_empty(class_weight):
        weights = _by_class(labels, loss, output_shape, class_weight, classes)
    if sample_weight is not None:
        own = _checked_samples(sample_weight, len(labels))
        weights = own if weights is None else weights * own
    if weights is not None and not weights.any():
        raise DataError(
            "fit: at least one example must have a weight above 0; got 0 for all "
            f"{len(labels)}. Look at class_weight and sample_weight."
        )
    return weights


def resolve(
    labels: Array,
    loss: Loss,
    output_shape: tuple[int, ...],
    class_weight: ClassWeight | None,
    classes: Sequence[str] = (),
) -> list[float] | Literal["balanced"] | None:
    """Return class weights as a recipe keeps them: one for each class, or balanced."""
    if class_weight is None or _is_empty(class_weight):
        return None
    if isinstance(class_weight, str):
        return "balanced"
    count, _, _ = _memberships(labels, loss, output_shape)
    return [float(w) for w in class_weights(class_weight, count, classes)]


def balanced_weights(counts: Array) -> Array:
    """Return ``N / (K · N_c)`` for each class; 1 for one that does not occur."""
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights


def _is_empty(class_weight: ClassWeight) -> bool:
    return isinstance(class_weight, Mapping) and not class_weight


def _by_class(
    labels: Array,
    loss: Loss,
    output_shape: tuple[int, ...],
    class_weight: ClassWeight,
    classes: Sequence[str],
) -> Array:
    count, kind, members = _memberships(labels, loss, output_shape)
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = (
            np.bincount(members, minlength=count)
            if kind == "indices"
            else members.sum(axis=0)
        )
        weights = balanced_weights(counts)
    else:
        weights = class_weights(class_weight, count, classes)
    chosen: Array = weights[members] if kind == "indices" else members @ weights
    return chosen


def _memberships(
    labels: Array, loss: Loss, output_shape: tuple[int, ...]
) -> tuple[int, _Kind, Memberships]:
    """Return the number of classes, and each example's class or share of each.

    Returns
    -------
    count : int
    kind : {"indices", "shares"}
    members : ndarray
        Indices of shape (N,), or shares of shape (N, count) that add up to 1.
    """
    columns, n = output_shape[-1], len(labels)
    if len(output_shape) > 1:
        raise _no_class(f"an answer for each position, labels of shape {labels.shape}")
    if columns == 1:
        return 2, *_of_one_column(labels.reshape(n, -1), loss)
    if labels.ndim == 1 and labels.dtype.kind in "iub":
        return columns, "indices", labels.astype(np.int64)
    if labels.shape != (n, columns):
        raise _no_class(f"labels of shape {labels.shape}, {labels.dtype}")
    is_one_hot = bool(
        ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
    )
    if is_one_hot:
        return columns, "indices", labels.argmax(axis=1)
    total = labels.sum(axis=1, keepdims=True, dtype=np.float64)
    if not isinstance(loss, CrossEntropy) or (labels < 0).any() or not total.all():
        many = isinstance(loss, BinaryCrossEntropy)
        what = "several labels at once" if many else "numbers (a regression)"
        raise _no_class(what)
    return columns, "shares", labels / total


def _of_one_column(column: Array, loss: Loss) -> tuple[_Kind, Memberships]:
    """Return the class of two, or the share of each, from one column of labels."""
    if column.shape[1] != 1:
        raise _no_class(f"labels of shape {column.shape}")
    t = column[:, 0]
    if ((t == 0) | (t == 1)).all():
        return "indices", t.astype(np.int64)
    is_share = isinstance(loss, BinaryCrossEntropy) and t.dtype.kind == "f"
    if not is_share or (t < 0).any() or (t > 1).any():
        raise _no_class("numbers (a regression)")
    return "shares", np.stack([1 - t, t], axis=1).astype(np.float64)


def _no_class(got: str) -> DataError:
    return DataError(
        "fit: class_weight must go with one class for each example; "
        f"got {got}. Give sample_weight instead."
    )


def _checked_samples(sample_weight: npt.ArrayLike, count: int) -> Array:
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError):
        weights = np.zeros(0)
    if weights.shape not in ((count,), (count, 1)):
        raise DataError(
            f"fit: sample_weight must be {count} numbers, one for each example; "
            f"got shape={np.shape(sample_weight)}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(
            "fit: sample_weight must hold finite numbers of at least 0; "
            f"got {weights[~(weights >= 0) | ~np.isfinite(weights)][0]}."
        )
    return weights.reshape(count)
