"""Losses and their gradients.

Every formula works on the network's output ``z`` and the labels. Where the network
ends in Softmax (or Sigmoid, with binary_cross_entropy) engines hand over what stands
before that node, the logits, so that no rounding is lost in exp and log.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError, NetworkError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """Describe a loss: its name, and the node it absorbs at the network's end."""

    name: ClassVar[str] = ""
    #: class name of the last layer that is computed together with the loss
    absorbs: ClassVar[str | None] = None

    def value_and_grad(
        self,
        output: Array,
        labels: Array,
        sample_weight: Array | None = None,
        *,
        total: float | None = None,
    ) -> tuple[float, Array]:
        """Return the loss and its gradient with respect to ``output``.

        Parameters
        ----------
        output : ndarray, shape (N, …)
            Logits, or the network's output.
        labels : ndarray
            As the loss says.
        sample_weight : ndarray, shape (N,), optional
            Weights wᵢ of the mean ``Σ wᵢlᵢ / Σ wᵢ``.
        total : float, optional
            ``Σ wᵢ`` of the whole batch, where these examples are a part of it; the
            parts' losses and gradients then add up to the batch's.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            ``name`` and the hyperparameters.
        """
        return {"name": self.name, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """``−Σₖ tₖ log softmax(z)ₖ``, the mean over the batch, in nats.

    Parameters
    ----------
    label_smoothing : float
        ε of ``t = (1 − ε) · onehot + ε / K`` (Szegedy et al. 2016, section 7).

    Notes
    -----
    Labels are integers of shape ``output.shape[:-1]`` or probabilities of shape
    ``output.shape``. The gradient is ``softmax(z) − t``.
    """

    label_smoothing: float = 0.0

    name: ClassVar[str] = "cross_entropy"
    absorbs: ClassVar[str | None] = "Softmax"

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise NetworkError(
                "CrossEntropy: label_smoothing must be at least 0 and less than 1; "
                f"got label_smoothing={self.label_smoothing!r}."
            )

    def soft_labels(self, labels: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return labels as probabilities, smoothed.

        Parameters
        ----------
        labels : ndarray
            Classes of shape (N, …), or probabilities of the output's shape.
        shape : tuple of int
            (N, …, K) of the output.
        dtype : dtype
            Of the result.

        Returns
        -------
        ndarray, shape (N, …, K)
            Probabilities, smoothed.
        """
        classes = shape[-1]
        if labels.ndim == len(shape):
            t = labels.astype(dtype)
        else:
            t = np.zeros(shape, dtype)
            np.put_along_axis(t, labels[..., None].astype(np.int64), 1, axis=-1)
        e = self.label_smoothing
        return t * (1 - e) + e / classes if e else t

    def value_and_grad(
        self,
        output: Array,
        labels: Array,
        sample_weight: Array | None = None,
        *,
        total: float | None = None,
    ) -> tuple[float, Array]:
        """Return the loss and ``(softmax(z) − t) · weight``."""
        z = output - output.max(axis=-1, keepdims=True)
        exponentials = np.exp(z)
        partition = exponentials.sum(axis=-1, keepdims=True)
        t = self.soft_labels(labels, output.shape, output.dtype)
        # Σ t · (log partition − z); where t = 0 the product is 0, whatever z
        losses = np.sum(t * (np.log(partition) - z), axis=-1)
        grad = exponentials / partition * t.sum(axis=-1, keepdims=True) - t
        return _mean(losses, grad, sample_weight, total)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """``−t log σ(z) − (1 − t) log(1 − σ(z))``, the mean over elements, in nats.

    Labels are 0 … 1 of the output's shape; ``label_smoothing`` ε makes them
    ``t(1 − ε) + ε / 2``. Computed as ``max(z, 0) − z·t + log(1 + e^−|z|)``.

    Parameters
    ----------
    label_smoothing : float
        ε, from 0 to less than 1.
    """

    label_smoothing: float = 0.0

    name: ClassVar[str] = "binary_cross_entropy"
    absorbs: ClassVar[str | None] = "Sigmoid"

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise NetworkError(
                "BinaryCrossEntropy: label_smoothing must be at least 0 and less than "
                f"1; got label_smoothing={self.label_smoothing!r}."
            )

    def value_and_grad(
        self,
        output: Array,
        labels: Array,
        sample_weight: Array | None = None,
        *,
        total: float | None = None,
    ) -> tuple[float, Array]:
        """Return the loss and ``(σ(z) − t) · weight``."""
        z, e = output, self.label_smoothing
        t = labels.reshape(z.shape).astype(z.dtype) * (1 - e) + e / 2
        small = np.exp(-np.abs(z))  # never overflows
        losses = np.maximum(z, 0) - z * t + np.log1p(small)
        sigmoid = np.where(z >= 0, 1, small) / (1 + small)
        return _mean(losses, sigmoid - t, sample_weight, total)


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """``(z − t)²``, the mean over elements. Labels have the output's shape."""

    name: ClassVar[str] = "mse"

    def value_and_grad(
        self,
        output: Array,
        labels: Array,
        sample_weight: Array | None = None,
        *,
        total: float | None = None,
    ) -> tuple[float, Array]:
        """Return the loss and ``2(z − t) · weight``."""
        error = output - labels.reshape(output.shape).astype(output.dtype)
        return _mean(error * error, 2 * error, sample_weight, total)


@dataclass(frozen=True)
class HalfSquaredErrorSum(Loss):
    """``½ Σ (z − t)²``, a sum over the batch: classic back-propagation.

    Rumelhart, Hinton & Williams 1986, eq. 3. ``sample_weight`` multiplies each
    example's share.
    """

    name: ClassVar[str] = "half_squared_error_sum"

    def value_and_grad(
        self,
        output: Array,
        labels: Array,
        sample_weight: Array | None = None,
        *,
        total: float | None = None,
    ) -> tuple[float, Array]:
        """Return the loss and ``z − t``; a sum needs no total."""
        del total
        error = output - labels.reshape(output.shape).astype(output.dtype)
        grad = error
        if sample_weight is not None:
            axes = (len(output), *[1] * (output.ndim - 1))
            grad = error * sample_weight.astype(output.dtype).reshape(axes)
        return float(0.5 * np.sum(error * grad, dtype=np.float64)), grad


def _mean(
    losses: Array, grad: Array, sample_weight: Array | None, total: float | None
) -> tuple[float, Array]:
    """Average per-position losses: over an example's positions, then over examples."""
    count = len(losses)
    positions = losses[0].size if losses.ndim > 1 else 1
    weight = np.ones(count) if sample_weight is None else sample_weight
    w = weight / (total_weight(count, sample_weight) if total is None else total)
    per_example = losses.reshape(count, -1).sum(axis=1, dtype=np.float64) / positions
    w_grad = (w / positions).astype(grad.dtype).reshape(count, *[1] * (grad.ndim - 1))
    return float(np.dot(per_example, w)), grad * w_grad


def total_weight(count: int, sample_weight: Array | None) -> float:
    """Return ``Σ wᵢ``: the number of examples where there are no weights."""
    if sample_weight is None:
        return float(count)
    return float(sample_weight.sum(dtype=np.float64))


LOSSES: dict[str, type[Loss]] = {
    kind.name: kind
    for kind in (
        CrossEntropy,
        BinaryCrossEntropy,
        MeanSquaredError,
        HalfSquaredErrorSum,
    )
}


def as_loss(loss: str | Loss | None) -> Loss | None:
    """Return the loss that a name stands for.

    Parameters
    ----------
    loss : str, Loss or None
        A name gives the loss with its defaults.

    Returns
    -------
    Loss or None
        None if None is given.
    """
    if loss is None or isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise NetworkError(
            f"loss: must be one of {', '.join(LOSSES)} or a Loss; got {loss!r}."
        )
    return LOSSES[loss]()


def loss_from_json(document: Mapping[str, Any]) -> Loss:
    """Read what `Loss.to_json` wrote."""
    arguments = dict(document)
    name = arguments.pop("name", None)
    if name not in LOSSES:
        raise NetworkError(
            f"loss: name must be one of {', '.join(LOSSES)}; got {name!r}."
        )
    try:
        return LOSSES[name](**arguments)
    except TypeError as error:
        raise NetworkError(
            f"loss '{name}': arguments must be its own; got {error}."
        ) from error


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
        If their shape does not fit, a class is out of range, or a number is not
        finite.
    """
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
    if isinstance(loss, BinaryCrossEntropy) and labels.size:
        least, most = labels.min(), labels.max()
        if least < 0 or most > 1:
            raise DataError(
                f"{loss.name}: labels must be from 0 to 1; "
                f"got labels from {least} to {most}."
            )
