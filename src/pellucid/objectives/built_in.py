"""Losses and optimizers of ours, and those of the caller's own."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.objectives.composed_losses import Masked, WeightedSum
from pellucid.objectives.formula_loss import TracedLoss
from pellucid.objectives.loss import Loss
from pellucid.objectives.numpy_loss import NumpyLoss
from pellucid.objectives.optimizer import Optimizer
from pellucid.objectives.optimizers import OPTIMIZERS
from pellucid.objectives.output_losses import OutputLosses
from pellucid.objectives.table import LOSSES

Array = npt.NDArray[Any]


def is_built_in(objective: Loss | Optimizer) -> bool:
    """Return whether a loss or optimizer is one of ours, not a class of its own.

    Ours can be described in a file; a traced loss, or one of NumPy functions, is.

    Parameters
    ----------
    objective : Loss or Optimizer
        What is asked about.

    Returns
    -------
    bool
        False for a class of the caller's own.
    """
    if isinstance(objective, OutputLosses):
        return all(is_built_in(term.loss) for term in objective.terms)
    if isinstance(objective, WeightedSum):
        return all(is_built_in(loss) for loss, _ in objective.terms)
    if isinstance(objective, Masked):
        return is_built_in(objective.loss)
    described = (TracedLoss, NumpyLoss)
    kinds = (*LOSSES.values(), *OPTIMIZERS.values(), *described)
    return type(objective) in kinds


def value_and_grad(
    loss: Loss,
    output: Array,
    labels: Array,
    sample_weight: Array | None,
    *,
    total: float | None,
) -> tuple[float, Array]:
    """Return a loss and its gradient; of the caller's own with what it takes.

    Raises
    ------
    NetworkError
        If a loss of the caller's own does not take weights where there are some, or
        returns something else than a number and an array of the output's shape.
    """
    if is_built_in(loss):
        return loss.value_and_grad(output, labels, sample_weight, total=total)
    parameters = inspect.signature(loss.value_and_grad).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    given: dict[str, Any] = {"sample_weight": sample_weight, "total": total}
    kept = {k: v for k, v in given.items() if takes_all or k in parameters}
    who = type(loss).__name__
    if sample_weight is not None and "sample_weight" not in kept:
        raise NetworkError(
            f"{who}: value_and_grad must take sample_weight where examples are "
            f"weighed; got ({', '.join(parameters)})."
        )
    found = loss.value_and_grad(output, labels, **kept)
    if not isinstance(found, tuple) or np.shape(found[-1]) != output.shape:
        raise NetworkError(
            f"{who}: value_and_grad must return the loss and its gradient, of the "
            f"output's shape {output.shape}; got {_shape_of(found)}."
        )
    value, grad = found
    return float(value), np.asarray(grad, output.dtype)


def _shape_of(found: object) -> str:
    if isinstance(found, tuple) and len(found) == 2:
        return f"a gradient of shape {np.shape(found[1])}"
    return type(found).__name__
