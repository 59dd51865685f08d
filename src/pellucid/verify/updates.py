"""Bound of the updates' difference that follows from the gradients'.

Adam and RMSprop divide a gradient by its own size: in the first step Adam moves each
weight by the learning rate times the sign of its derivative. Where a derivative is
smaller than its rounding, that sign is not determined, on any engine. So what is
compared of an updated weight is the part that the gradients' own tolerance does not
explain, entry by entry.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pellucid.engines.protocol import Array, State
from pellucid.engines.state import unpack_state
from pellucid.network import Network
from pellucid.objectives import Optimizer, apply_update

Tensors = Mapping[str, Array]


def bound_updates(
    network: Network,
    optimizer: Optimizer,
    state: State,
    gradients: Tensors,
    *,
    tolerance: Mapping[str, float],
    learning_rate: float,
) -> dict[str, Array]:
    """Return how far an updated weight moves when its gradient moves.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    state : mapping
        Before the update.
    gradients : mapping of weight name to ndarray of float64
    tolerance : mapping of weight name to float
        How far each array's gradient may be off, either way.
    learning_rate : float

    Returns
    -------
    dict of weight name to ndarray
        For each entry the largest of |U(g + t) − U(g)|, |U(g) − U(g − t)| and
        |U(g + t) − U(g − t)|, where U is the update. Parameters only.
    """
    low, middle, high = (
        update_weights(network, optimizer, state, moved, learning_rate=learning_rate)
        for moved in (
            {name: grad + side * tolerance[name] for name, grad in gradients.items()}
            for side in (-1, 0, 1)
        )
    )
    return {
        name: np.maximum(
            np.abs(high[name] - low[name]),
            np.maximum(
                np.abs(high[name] - middle[name]), np.abs(middle[name] - low[name])
            ),
        )
        for name in gradients
    }


def update_weights(
    network: Network,
    optimizer: Optimizer,
    state: State,
    gradients: Tensors,
    *,
    learning_rate: float,
) -> dict[str, Array]:
    """Return all weights after one update by these gradients, in float64."""
    parts = unpack_state(network, state, optimizer=optimizer, dtype="float64")
    apply_update(
        optimizer,
        parts.weights,
        gradients,
        parts.slots,
        rate=learning_rate,
        step=parts.step + 1,
    )
    return parts.weights
