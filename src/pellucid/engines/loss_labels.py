"""Labels as the losses that are formulas or NumPy functions take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.engines.ports import LossTerm
from pellucid.engines.protocol import Array
from pellucid.network import Network
from pellucid.objectives import FormulaLoss, NumpyLoss


def arranged_labels(
    network: Network, term: LossTerm, labels: Array, dtype: Any
) -> Array | None:
    """Return labels as a term's formula or function takes them; None for other losses.

    A formula's have shape (N, positions, channels), a function's are as they were.
    """
    loss = term.loss
    if not isinstance(loss, FormulaLoss | NumpyLoss):
        return None
    given = np.asarray(labels)
    shape = (len(given), *network.shapes[term.node])
    checked = loss.check_labels(given, shape)
    if isinstance(loss, NumpyLoss):
        return checked
    return loss.arrange_labels(checked, shape, dtype)
