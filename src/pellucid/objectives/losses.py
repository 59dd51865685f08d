"""Losses and their gradients.

Every formula works on the network's output ``z`` and the labels. Where the network
ends in Softmax (or Sigmoid, with binary_cross_entropy) engines hand over what stands
before that node, the logits, so that no rounding is lost in exp and log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.network.expression import Expression
from pellucid.network.expression import math as pm
from pellucid.objectives.loss import LabelKind, Loss

Array = npt.NDArray[Any]


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
    labels_are: ClassVar[LabelKind] = "classes"

    def __post_init__(self) -> None:
        _check_smoothing("CrossEntropy", self.label_smoothing)

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

    def each(self, output: Array, labels: Array) -> tuple[Array, Array]:
        """Return the loss of each position and ``softmax(z) − t``."""
        z = output - output.max(axis=-1, keepdims=True)
        exponentials = np.exp(z)
        partition = exponentials.sum(axis=-1, keepdims=True)
        t = self.soft_labels(labels, output.shape, output.dtype)
        # Σ t · (log partition − z); where t = 0 the product is 0, whatever z
        losses = np.sum(t * (np.log(partition) - z), axis=-1)
        grad = exponentials / partition * t.sum(axis=-1, keepdims=True) - t
        return losses, grad

    def formula(
        self, output: Expression, target: Expression, mask: Expression | float
    ) -> Expression:
        """Return ``−Σₖ tₖ log softmax(z)ₖ`` of each position."""
        costs, e = -pm.log_softmax(output), self.label_smoothing
        value = pm.sum(target * costs, "channels")
        return (1 - e) * value + e * pm.mean(costs, "channels") if e else value


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
        _check_smoothing("BinaryCrossEntropy", self.label_smoothing)

    def each(self, output: Array, labels: Array) -> tuple[Array, Array]:
        """Return the loss of each element and ``σ(z) − t``."""
        z, e = output, self.label_smoothing
        t = labels.reshape(z.shape).astype(z.dtype) * (1 - e) + e / 2
        small = np.exp(-np.abs(z))  # never overflows
        losses = np.maximum(z, 0) - z * t + np.log1p(small)
        sigmoid = np.where(z >= 0, 1, small) / (1 + small)
        return losses, sigmoid - t

    def formula(
        self, output: Expression, target: Expression, mask: Expression | float
    ) -> Expression:
        """Return ``log(1 + eᶻ) − z·t`` of each element."""
        e = self.label_smoothing
        t = target * (1 - e) + e / 2 if e else target
        return pm.softplus(output) - output * t


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """``(z − t)²``, the mean over elements. Labels have the output's shape."""

    name: ClassVar[str] = "mse"

    def each(self, output: Array, labels: Array) -> tuple[Array, Array]:
        """Return ``(z − t)²`` and ``2(z − t)``."""
        error = output - labels.reshape(output.shape).astype(output.dtype)
        return error * error, 2 * error

    def formula(
        self, output: Expression, target: Expression, mask: Expression | float
    ) -> Expression:
        """Return ``(z − t)²`` of each element."""
        return (output - target) ** 2


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


def _check_smoothing(who: str, smoothing: float) -> None:
    if not 0 <= smoothing < 1:
        raise NetworkError(
            f"{who}: label_smoothing must be at least 0 and less than 1; got "
            f"label_smoothing={smoothing!r}."
        )
