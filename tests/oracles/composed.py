"""What a network without randomness gives in float64, and how exact its gradient is."""

from __future__ import annotations

from typing import Any

import numpy as np
from oracles.differences import central, relative_error

import pellucid as pl

Array = np.ndarray[Any, Any]


def run(network: pl.Network, x: Array) -> Array:
    """Return the output on the numpy engine."""
    return pl.Model(network, engine="numpy", dtype="float64").predict(x)


def gradient_error(network: pl.Network, seed: int = 0) -> float:
    """Return the error of the gradient with respect to the input, by differences."""
    draw = np.random.default_rng(seed)
    model = pl.Model(network, engine="numpy", dtype="float64")
    x = draw.normal(size=(1, *network.input_shape))
    weight = draw.normal(size=model.predict(x).shape)
    grad, _ = model.vjp(x, weight)
    return relative_error(
        grad, central(lambda at: float((model.predict(at) * weight).sum()), x)
    )
