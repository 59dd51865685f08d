"""Whether batch norm folded into weights still predicts the same."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.network import Network, layers

CASES = {
    "plain": lambda: [layers.Conv2D(20, kernel_size=3), layers.BatchNorm()],
    "without bias": lambda: [
        layers.Conv2D(20, kernel_size=3, stride=2, bias=False),
        layers.BatchNorm(epsilon=0.01),
        layers.ReLU(),
    ],
    "winograd and pool": lambda: [
        layers.Conv2D(16, kernel_size=3, padding=1),
        layers.Conv2D(24, kernel_size=3, padding=1, bias=False),
        layers.BatchNorm(),
        layers.ReLU(),
        layers.MaxPool2D(2),
    ],
    "depthwise": lambda: [
        layers.Conv2D(6, kernel_size=3, groups=6, padding=1),
        layers.BatchNorm(),
        layers.LeakyReLU(),
    ],
    "groups": lambda: [
        layers.Conv2D(12, kernel_size=3, groups=3, padding=1),
        layers.BatchNorm(),
    ],
    "dense": lambda: [
        layers.Flatten(),
        layers.Dense(200, bias=False),
        layers.BatchNorm(),
        layers.ReLU(),
        layers.Dense(3),
    ],
    "dense on an image": lambda: [layers.Dense(5), layers.BatchNorm(), layers.ReLU()],
}


def trained(parts):
    """Return a network, and weights whose batch norms have seen something."""
    x = image = layers.Input(10, 10, 6)
    for part in parts:
        x = part(x)
    network = Network(inputs=image, outputs=layers.Dense(2)(layers.Flatten()(x)))
    rng = np.random.default_rng(1)
    model = pl.Model(network, seed=2)
    weights = {
        name: rng.uniform(0.5, 1.5, w.shape)
        if name.split(".")[1] in ("scale", "running_variance")
        else w + rng.normal(0, 0.1, w.shape)
        for name, w in model.weights.items()
    }
    return network, {name: np.float32(w) for name, w in weights.items()}


@pytest.mark.parametrize("case", CASES)
def test_predictions_are_those_of_the_layers_one_by_one(case):
    network, weights = trained(CASES[case]())
    images = np.random.default_rng(3).normal(size=(5, 10, 10, 6)).astype(np.float32)
    found = {}
    for engine in ("numpy", "compiled"):
        model = pl.Model(network, engine=engine)
        model.load_weights(weights)
        found[engine] = model.predict(images)
        one = model.predict(images[:1])
        assert np.allclose(one, found[engine][:1], rtol=1e-5, atol=1e-5)
    assert np.allclose(found["compiled"], found["numpy"], rtol=1e-5, atol=1e-5)
    assert "norm_forward" not in str(model.native)
    assert "norm_fold" in str(model.native)


def test_weights_that_change_are_folded_anew():
    network, weights = trained(CASES["plain"]())
    images = np.ones((2, 10, 10, 6), np.float32)
    model = pl.Model(network)
    model.load_weights(weights)
    before = model.predict(images)
    name = next(name for name in weights if name.endswith("offset"))
    model.load_weights({**weights, name: weights[name] + 1})
    assert np.abs(model.predict(images) - before).max() > 0.01


def test_batch_norm_stays_a_step_where_others_see_what_comes_before_it():
    image = layers.Input(6, 6, 4)
    x = layers.Conv2D(4, kernel_size=3, padding=1)(image)
    y = layers.Add()(x, layers.BatchNorm()(x))
    network = Network(inputs=image, outputs=y)
    assert "norm_forward" in str(pl.Model(network).native)


@pytest.mark.parametrize("width", [3, 12])
def test_without_epsilon_the_padding_of_channels_stays_zero(width: int) -> None:
    network = pl.Sequential(
        pl.Input(4, 4, 2),
        pl.Conv2D(width, kernel_size=3),
        pl.BatchNorm(epsilon=0.0),
        pl.BatchNorm(epsilon=0.0),
        pl.GlobalAvgPool2D(),
        pl.Dense(2),
    )
    reference = pl.Model(
        network, engine="numpy", loss="mse", optimizer=pl.SGD(0.01), seed=1
    )
    ours = reference.to("compiled")
    random = np.random.default_rng(0)
    images = random.standard_normal((5, 4, 4, 2)).astype(np.float32)
    labels = random.standard_normal((5, 2)).astype(np.float32)
    for _ in range(2):
        np.testing.assert_allclose(
            ours.predict(images), reference.predict(images), rtol=1e-4, atol=1e-5
        )
        loss = reference.train_step(images, labels)
        assert ours.train_step(images, labels) == pytest.approx(loss, rel=1e-4)
