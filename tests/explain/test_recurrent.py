"""One state of a recurrent layer: its steps and its slopes through time."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain

LAYERS = {
    "gru": pl.GRU(3, return_sequences=True),
    "gru, reset before": pl.GRU(2, reset_after=False, reverse=True),
    "lstm": pl.LSTM(3, return_sequences=True, reverse=True),
    "simple": pl.SimpleRNN(2, bias=False),
}


def _drawn(network: pl.Network) -> pl.Model:
    model = pl.Model(network, engine="numpy", dtype="float64")
    random = np.random.default_rng(1)
    model.load_weights(
        {k: random.normal(size=a.shape) for k, a in model.weights.items()}
    )
    return model


@pytest.mark.parametrize("name", LAYERS)
def test_steps_and_slopes_are_the_engines(name: str) -> None:
    network = pl.Sequential(pl.Input(4, 2), LAYERS[name])
    model, node = _drawn(network), network.outputs[0]
    x = np.random.default_rng(4).normal(size=(4, 2))
    expected = model.predict(x[None])[0]
    for at in np.ndindex(*expected.shape):
        shown = explain.arithmetic(model, x, node, at)
        assert shown.value == shown.steps[-1].value
        np.testing.assert_allclose(shown.value, expected[at], rtol=1e-12)
        grad = np.zeros((1, *expected.shape))
        grad[(0, *at)] = 1
        grad_x, grads = model.vjp(x[None], grad, training=False)
        slopes = np.zeros_like(grad_x)
        for term in shown.terms:
            slopes[(0, *(term.at or ()))] += term.slope
        np.testing.assert_allclose(slopes, grad_x, rtol=1e-10, atol=1e-12)
        for parameter in shown.parameters:
            wanted = grads[f"{node}.{parameter.role}"][parameter.at]
            np.testing.assert_allclose(parameter.slope, wanted, rtol=1e-10)
