"""Accuracy before and after an export, of every meaning that an output has."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

MEANINGS = {
    "classes": ((pl.Dense(3),), "cross_entropy", (40,)),
    "probabilities": ((pl.Dense(3), pl.Softmax()), "cross_entropy", (40,)),
    "one logit": ((pl.Dense(1),), "binary_cross_entropy", (40,)),
    "one probability": ((pl.Dense(1), pl.Sigmoid()), "binary_cross_entropy", (40, 1)),
    "labels": ((pl.Dense(3), pl.Sigmoid()), "binary_cross_entropy", (40, 3)),
}


def parts(name):
    layers, loss, shape = MEANINGS[name]
    network = pl.Sequential(pl.Input(4), *layers)
    model = pl.Model(network, engine="numpy", loss=loss, seed=2)
    random = np.random.default_rng(0)
    images = random.normal(size=(40, 4)).astype(np.float32)
    count = 3 if name in ("classes", "probabilities") else 2
    return model, images, random.integers(0, count, shape)


@pytest.mark.parametrize("name", MEANINGS)
def test_accuracy_is_the_model_s_own_before_and_after(name, tmp_path):
    model, images, labels = parts(name)
    path = exchange.write(model, tmp_path / "m.npz")
    found = exchange.accuracy(model, path, images, labels)
    expected = model.evaluate((images, labels))["accuracy"]
    assert found.images == 40
    assert found.before == found.after == pytest.approx(expected)
    assert 0 < found.before < 1


def test_a_regression_has_no_accuracy(tmp_path):
    network = pl.Sequential(pl.Input(4), pl.Dense(1))
    model = pl.Model(network, engine="numpy", loss="mse")
    path = exchange.write(model, tmp_path / "m.npz")
    images = np.zeros((5, 4), np.float32)
    with pytest.raises(pl.ExchangeError, match="got a regression, 5 labels"):
        exchange.accuracy(model, path, images, np.zeros((5, 1)))
