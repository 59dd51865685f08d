"""A loss that is measured, not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.objectives.composed_losses import multiply
from pellucid.objectives.formula_loss import FormulaLoss
from pellucid.objectives.loss import Loss
from pellucid.objectives.numpy_loss import NumpyLoss
from pellucid.objectives.output_meaning import OutputMeaning

Array = npt.NDArray[Any]


class LossMetric:
    """Measure a loss for each example; its figure is called ``<loss>_loss``.

    Parameters
    ----------
    loss : Loss
        One with a formula, or of NumPy functions.

    Raises
    ------
    NetworkError
        If it has no formula.
    """

    def __init__(self, loss: Loss) -> None:
        is_known = isinstance(loss, FormulaLoss | NumpyLoss)
        self._loss = loss if is_known else multiply(loss, 1.0)
        self.__name__ = f"{loss.name}_loss"

    def __call__(self, output: Array, labels: Array) -> Array:
        """Return each example's loss of an output that it takes as it is."""
        loss: Any = self._loss
        checked = loss.check_labels(np.asarray(labels), output.shape)
        each: Array = loss.each(output, checked)[0]
        return each

    def of_output(self, meaning: OutputMeaning, output: Array, labels: Array) -> Array:
        """Return each example's loss, from probabilities by their logits.

        A probability that rounding has made 0 or 1 counts as the nearest one.
        """
        absorbed = self._loss.absorbs
        if absorbed is None or meaning.is_logits or meaning.kind == "regression":
            return self(output, labels)
        least = np.finfo(output.dtype).tiny
        z = np.log(np.maximum(output, least))
        if absorbed == "Sigmoid":
            z = z - np.log(np.maximum(1 - output, least))
        return self(z.astype(output.dtype), labels)
