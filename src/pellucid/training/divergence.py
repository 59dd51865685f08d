"""Divergence: the loss, the validation loss or the weights are no longer finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Batch
from pellucid.engines.protocol import Session
from pellucid.errors import DivergenceError
from pellucid.training.early_stopping import Weights, weights_of

Array = npt.NDArray[Any]
_ADVICE = "Try a smaller learning rate, or clip_norm."
#: weights above it are no trained network's: the loss is computed once more then
_SUSPICIOUS = 1e3


def check_loss(loss: float, *, step: int, epoch: int) -> None:
    """Raise DivergenceError where a step's loss is not finite; both count from 0."""
    if not math.isfinite(loss):
        raise DivergenceError(
            f"train: the loss must stay finite; got loss={loss} in step "
            f"{step + 1} (epoch {epoch + 1}). {_ADVICE}"
        )


def check_validation(figures: Mapping[str, float], *, epoch: int) -> None:
    """Raise DivergenceError where an epoch's validation loss is not finite."""
    loss = figures.get("loss", 0.0)
    if not math.isfinite(loss):
        raise DivergenceError(
            f"train: the validation loss must stay finite; got val_loss={loss} after "
            f"epoch {epoch + 1}. {_ADVICE}"
        )


def check_weights(weights: Weights, *, epoch: int) -> None:
    """Raise DivergenceError where an update has left a weight that is not finite."""
    for name, array in weights.items():
        if not np.isfinite(array).all():
            wrong = array[~np.isfinite(array)].flat[0]
            raise DivergenceError(
                f"train: the weights must stay finite; got {name}={wrong} in epoch "
                f"{epoch + 1}. {_ADVICE}"
            )


def check_update(
    session: Session,
    batch: Batch,
    weight: Any,
    *,
    step: int,
    epoch: int,
) -> None:
    """Raise DivergenceError where the last update has destroyed the network.

    A step's loss is that before its update, so that of the last update is not known.
    The weights show it, or, where they are very large, the batch's loss once more.
    """
    weights = weights_of(session.state())
    check_weights(weights, epoch=epoch)
    largest = max(
        (float(np.abs(a).max()) for a in weights.values() if a.size), default=0
    )
    each = weight if isinstance(weight, tuple) else (weight,)
    weighs = all(one is None or one.any() for one in each)
    if largest > _SUSPICIOUS and len(batch.indices) and weighs:
        loss, _ = session.gradients(batch.images, batch.labels, sample_weight=weight)
        check_loss(loss, step=step, epoch=epoch)
