"""Losses on JAX: optax's per position, with the canonical means."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from pellucid.engines.jax.formula_loss import losses_of
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    FormulaLoss,
    HalfSquaredErrorSum,
    Loss,
    MeanSquaredError,
    NumpyLoss,
)


def _cross_entropy(loss: CrossEntropy, z: Array, labels: Array) -> Any:
    e = loss.label_smoothing
    if labels.ndim < z.ndim and not e:
        return optax.softmax_cross_entropy_with_integer_labels(z, labels)
    is_soft = labels.ndim == z.ndim
    t = labels if is_soft else jax.nn.one_hot(labels, z.shape[-1], dtype=z.dtype)
    smoothed = optax.smooth_labels(t.astype(z.dtype), e)
    return optax.softmax_cross_entropy(z, smoothed)


def _binary_cross_entropy(loss: BinaryCrossEntropy, z: Array, labels: Array) -> Any:
    e = loss.label_smoothing
    t = labels.reshape(z.shape).astype(z.dtype) * (1 - e) + e / 2
    return optax.sigmoid_binary_cross_entropy(z, t)


def _squared_error(loss: Loss, z: Array, labels: Array) -> Array:
    del loss
    return jnp.square(z - labels.reshape(z.shape).astype(z.dtype))


_PER_POSITION: dict[type[Loss], Callable[[Any, Array, Array], Any]] = {
    CrossEntropy: _cross_entropy,
    BinaryCrossEntropy: _binary_cross_entropy,
    MeanSquaredError: _squared_error,
    HalfSquaredErrorSum: _squared_error,
}


def loss_value(
    loss: Loss,
    z: Array,
    labels: Array,
    sample_weight: Array | None,
    total: Array | None = None,
) -> Array:
    """Return the loss: Σ wᵢlᵢ / Σ wᵢ, an example's lᵢ being the mean of its positions.

    Parameters
    ----------
    loss : Loss
    z : Array, shape (N, …)
        Logits, or the network's output.
    labels : Array
        As the loss says.
    sample_weight : Array, shape (N,), optional
    total : Array, shape (), optional
        Σ wᵢ, where these examples are a part of the batch.

    Returns
    -------
    Array, shape ()
    """
    if isinstance(loss, FormulaLoss | NumpyLoss):
        losses = losses_of(loss, z, labels)
    else:
        losses = _PER_POSITION[type(loss)](loss, z, labels)
    rows = losses.reshape(len(losses), math.prod(losses.shape[1:]))
    w = None if sample_weight is None else sample_weight.astype(z.dtype)
    value: Array
    if isinstance(loss, HalfSquaredErrorSum):
        value = 0.5 * (rows.sum() if w is None else w @ rows.sum(axis=1))
    elif total is not None:
        means = rows.mean(axis=1)
        value = (means.sum() if w is None else w @ means) / total
    else:
        value = rows.mean() if w is None else w @ rows.mean(axis=1) / w.sum()
    return value
