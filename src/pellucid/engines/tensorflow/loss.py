"""Losses on TensorFlow, from logits and with the canonical means.

Keras' own work on clipped probabilities unless told otherwise, and divide weighted
sums by N.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.engines.tensorflow.formula_loss import losses_of
from pellucid.engines.tensorflow.imports import tf
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    FormulaLoss,
    HalfSquaredErrorSum,
    Loss,
    MeanSquaredError,
    NumpyLoss,
)


def _cross_entropy(loss: CrossEntropy, z: Any, labels: Any) -> Any:
    e, classes = loss.label_smoothing, z.shape[-1]
    is_soft = labels.shape.rank == z.shape.rank
    if not is_soft and not e:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z)
    t = (
        tf.cast(labels, z.dtype)
        if is_soft
        else tf.one_hot(labels, classes, dtype=z.dtype)
    )
    smoothed = t * (1 - e) + e / classes
    # softmax_cross_entropy_with_logits takes it for granted that labels sum to 1
    return -tf.reduce_sum(smoothed * tf.nn.log_softmax(z), axis=-1)


def _binary_cross_entropy(loss: BinaryCrossEntropy, z: Any, labels: Any) -> Any:
    e = loss.label_smoothing
    t = tf.cast(tf.reshape(labels, tf.shape(z)), z.dtype) * (1 - e) + e / 2
    return tf.nn.sigmoid_cross_entropy_with_logits(t, z)


def _squared_error(loss: Loss, z: Any, labels: Any) -> Any:
    del loss
    return tf.math.squared_difference(
        z, tf.cast(tf.reshape(labels, tf.shape(z)), z.dtype)
    )


_PER_POSITION: dict[type[Loss], Callable[[Any, Any, Any], Any]] = {
    CrossEntropy: _cross_entropy,
    BinaryCrossEntropy: _binary_cross_entropy,
    MeanSquaredError: _squared_error,
    HalfSquaredErrorSum: _squared_error,
}


def loss_value(
    loss: Loss, z: Any, labels: Any, sample_weight: Any, *, total: Any = None
) -> Any:
    """Return the loss: Σ wᵢlᵢ / Σ wᵢ, an example's lᵢ being the mean of its positions.

    Parameters
    ----------
    loss : Loss
    z : Tensor, shape (N, …)
        Logits, or the network's output.
    labels : Tensor
        As the loss says.
    sample_weight : Tensor, shape (N,), or None
    total : Tensor, shape (), or None
        Σ wᵢ, where these examples are a part of the batch.

    Returns
    -------
    Tensor, shape ()
    """
    if isinstance(loss, FormulaLoss | NumpyLoss):
        losses = losses_of(loss, z, labels)
    else:
        losses = _PER_POSITION[type(loss)](loss, z, labels)
    others = range(1, losses.shape.rank)
    if isinstance(loss, HalfSquaredErrorSum):
        if sample_weight is None:
            return 0.5 * tf.reduce_sum(losses)
        sums = tf.reduce_sum(losses, axis=others)
        return 0.5 * tf.reduce_sum(sums * sample_weight)
    if sample_weight is None and total is None:
        return tf.reduce_mean(losses)
    means = tf.reduce_mean(losses, axis=others)
    if sample_weight is None:
        return tf.reduce_sum(means) / total
    whole = tf.reduce_sum(sample_weight) if total is None else total
    return tf.reduce_sum(means * sample_weight) / whole
