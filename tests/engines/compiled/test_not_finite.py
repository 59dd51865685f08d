"""NaN and infinities go through every layer's forward pass as in numpy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pellucid import engines
from pellucid.engines.state import initial_state
from pellucid.network import Network, layers

CASES = {
    "relu": [layers.ReLU()],
    "leaky relu": [layers.LeakyReLU(0.1)],
    "sigmoid": [layers.Sigmoid()],
    "tanh": [layers.Tanh()],
    "gelu": [layers.GELU()],
    "silu": [layers.SiLU()],
    "softmax": [layers.Softmax()],
    "softmax of many": [layers.Flatten(), layers.Softmax()],
    "max pool of windows": [layers.MaxPool2D(2)],
    "max pool": [layers.MaxPool2D(3, stride=2, padding=1)],
    "max pool after relu": [layers.ReLU(), layers.MaxPool2D(2)],
    "avg pool": [layers.AvgPool2D(2)],
    "global avg": [layers.GlobalAvgPool2D()],
    "nearest": [layers.Upsample2D((2, 3))],
    "layer norm": [layers.LayerNorm()],
    "layer norm of many": [layers.Flatten(), layers.LayerNorm()],
    "batch norm": [layers.BatchNorm()],
    "conv": [layers.Conv2D(5, 2)],
    "conv and pool": [layers.Conv2D(5, 2, activation="relu"), layers.MaxPool2D(2)],
    "dense": [layers.Flatten(), layers.Dense(7, activation="relu")],
}
FLAGS = {"invalid": "ignore", "over": "ignore", "divide": "ignore"}


def kinds(values):
    """Return which elements are NaN, +∞, −∞ or finite."""
    return np.select([np.isnan(values), values == np.inf, values == -np.inf], [3, 1, 2])


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_finite_comes_out_as_in_numpy(case):
    x = image = layers.Input(8, 8, 3)
    for layer in CASES[case]:
        x = dataclasses.replace(layer)(x)
    network = Network(inputs=image, outputs=x)
    state = initial_state(network, seed=0, dtype="float32")
    slow = engines.make("numpy").build(network, state=state)
    fast = engines.make("compiled", threads=1).build(network, state=state)
    for bad in (np.nan, np.inf, -np.inf):
        for where in (np.s_[0, 4, 3, 2], np.s_[0, 0, 0], np.s_[:]):
            images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
            images = images.astype(np.float32)
            images[where] = bad
            with np.errstate(**FLAGS):
                wanted = slow.predict(images)
            found = fast.predict(images)
            assert (kinds(found) == kinds(wanted)).all(), (bad, where)
            finite = np.isfinite(wanted)
            np.testing.assert_allclose(
                found[finite], wanted[finite], rtol=1e-4, atol=1e-5
            )
