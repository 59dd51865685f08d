"""Gradients of a loss with respect to the probabilities that it is computed with.

Engines compute such a loss from the logits, so that no rounding is lost in exp and
log; the output node, Softmax or Sigmoid, is absorbed. Its own gradient is the
derivative of the loss's formula in the probabilities.
"""

from __future__ import annotations

import numpy as np

from pellucid.errors import NetworkError
from pellucid.explain.values import Array
from pellucid.objectives import BinaryCrossEntropy, CrossEntropy, Loss


def absorbed_gradient(loss: Loss, probabilities: Array, labels: Array) -> Array:
    """Return the gradient of a loss with respect to one example's probabilities.

    Parameters
    ----------
    loss : Loss
        One that absorbs the network's last layer.
    probabilities : ndarray of float64, shape (1, …)
        The output of that layer.
    labels : ndarray
        As the loss says.

    Raises
    ------
    NetworkError
        If the loss has no known formula in the probabilities.

    Notes
    -----
    ``−t / p`` for cross entropy and ``(1 − t) / (1 − p) − t / p`` for binary cross
    entropy, with smoothed targets t, the mean over an example's positions. Where a
    target is 0 its quotient is 0, also where p has underflowed to 0.
    """
    p = np.asarray(probabilities, np.float64)
    if isinstance(loss, CrossEntropy):
        t = loss.soft_labels(labels, p.shape, np.float64)
        grad_p: Array = _quotient(-t, p) / (p.size // p.shape[-1])
        return grad_p
    if isinstance(loss, BinaryCrossEntropy):
        e = loss.label_smoothing
        t = labels.reshape(p.shape).astype(np.float64) * (1 - e) + e / 2
        grad: Array = (_quotient(1 - t, 1 - p) - _quotient(t, p)) / p.size
        return grad
    raise NetworkError(
        f"explain: loss '{loss.name}' must have a known formula in the probabilities; "
        f"got one that absorbs {loss.absorbs}. Look at the node before it."
    )


def _quotient(t: Array, p: Array) -> Array:
    """Return t / p, and 0 where t is 0."""
    quotient = np.zeros_like(p)
    with np.errstate(divide="ignore"):
        np.divide(t, p, out=quotient, where=t != 0)
    return quotient
