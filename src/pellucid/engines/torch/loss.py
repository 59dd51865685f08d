"""Losses on PyTorch, with the canonical means.

Every function takes the logits (or output) and labels as the module has them, the
classes on axis 1, and returns one loss per position, their mean or their sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.engines.torch.formula_loss import losses_of
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    FormulaLoss,
    HalfSquaredErrorSum,
    Loss,
    MeanSquaredError,
    NumpyLoss,
)


def _cross_entropy(
    loss: CrossEntropy, z: Tensor, labels: Tensor, reduction: str
) -> Tensor:
    if z.ndim == 3:  # the classes of (N, T, K) are last; PyTorch wants them second
        z = z.movedim(-1, 1)
        labels = labels.movedim(-1, 1) if labels.ndim == 3 else labels
    e = loss.label_smoothing
    return F.cross_entropy(z, labels, label_smoothing=e, reduction=reduction)


def _binary_cross_entropy(
    loss: BinaryCrossEntropy, z: Tensor, labels: Tensor, reduction: str
) -> Tensor:
    e = loss.label_smoothing
    t = labels * (1 - e) + e / 2 if e else labels
    return F.binary_cross_entropy_with_logits(z, t, reduction=reduction)


def _squared_error(loss: Loss, z: Tensor, labels: Tensor, reduction: str) -> Tensor:
    del loss
    return F.mse_loss(z, labels, reduction=reduction)


_REDUCED: dict[type[Loss], Callable[[Any, Tensor, Tensor, str], Tensor]] = {
    CrossEntropy: _cross_entropy,
    BinaryCrossEntropy: _binary_cross_entropy,
    MeanSquaredError: _squared_error,
    HalfSquaredErrorSum: _squared_error,
}


def _formula(loss: Any, z: Tensor, labels: Tensor, reduction: str) -> Tensor:
    each = losses_of(loss, z, labels)
    return each.mean() if reduction == "mean" else each


def loss_value(
    loss: Loss,
    z: Tensor,
    labels: Tensor,
    sample_weight: Tensor | None,
    *,
    total: float | None = None,
) -> Tensor:
    """Return the loss: Σ wᵢlᵢ / Σ wᵢ, an example's lᵢ being the mean of its positions.

    PyTorch's own ``reduction="mean"`` knows class weights, not examples' weights.

    Parameters
    ----------
    loss : Loss
    z : Tensor, shape (N, K, …)
        Logits, or the network's output.
    labels : Tensor
        Classes of shape (N, …), or numbers of z's shape.
    sample_weight : Tensor, shape (N,), optional
    total : float, optional
        Σ wᵢ, where these examples are a part of the batch.

    Returns
    -------
    Tensor, shape ()
    """
    is_own = isinstance(loss, FormulaLoss | NumpyLoss)
    reduced_loss = _formula if is_own else _REDUCED[type(loss)]
    if isinstance(loss, HalfSquaredErrorSum):
        if sample_weight is None:
            return 0.5 * reduced_loss(loss, z, labels, "sum")
        losses = reduced_loss(loss, z, labels, "none")
        return 0.5 * torch.dot(losses.flatten(1).sum(dim=1), sample_weight)
    if sample_weight is None and total is None:
        return reduced_loss(loss, z, labels, "mean")
    losses = reduced_loss(loss, z, labels, "none")
    means = losses.flatten(1).mean(dim=1) if losses.ndim > 1 else losses
    if sample_weight is None:
        sample_weight = torch.ones_like(means)
    whole = sample_weight.sum() if total is None else total
    return torch.dot(means, sample_weight / whole)
