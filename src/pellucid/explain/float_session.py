"""A model on the numpy engine in float64, where explanations are computed."""

from __future__ import annotations

import numpy as np

from pellucid.engines.numpy import NumpySession
from pellucid.engines.state import checked_weights
from pellucid.explain.ports import Example
from pellucid.explain.values import Array
from pellucid.model import Model


def float64_weights(model: Model) -> dict[str, Array]:
    """Return a model's arrays by name, in float64."""
    return dict(checked_weights(model.network, model.weights, dtype="float64"))


def float64_session(model: Model, weights: dict[str, Array]) -> NumpySession:
    """Return a session of a model's network with those weights."""
    return NumpySession(
        model.network,
        state={f"weights/{name}": array for name, array in weights.items()},
        loss=None,
        optimizer=None,
        dtype="float64",
    )


def float_example(model: Model, example: Example) -> Example:
    """Return inputs as the network takes them: uint8 scaled, anything else float64."""
    return tuple(
        model.preprocessing.apply(x, np.float64)
        if x.dtype == np.uint8
        else x.astype(np.float64)
        for x in example
    )
