"""Twenty steps with every optimizer, against the numpy engine."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.network import Network, layers
from pellucid.objectives import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    CrossEntropy,
    NAdam,
    ParameterGroup,
    RMSprop,
)

OPTIMIZERS = {
    "sgd": SGD(),
    "momentum": SGD(momentum=0.9),
    "nesterov": SGD(momentum=0.8, nesterov=True, weight_decay=0.05),
    "rmsprop": RMSprop(weight_decay=0.01),
    "adam": Adam(),
    "adam with decay": Adam(weight_decay=0.1),
    "adamw": AdamW(weight_decay=0.2),
    "nadam": NAdam(weight_decay=0.1),
    "adagrad": Adagrad(weight_decay=0.1),
    "adam in groups": AdamW(
        weight_decay=0.2,
        groups=[
            ParameterGroup("conv", rate_factor=0.5, weight_decay=0.5),
            ParameterGroup(roles="bias", rate_factor=0.0),
        ],
    ),
    "clipped": Adam(clip_norm=0.5),
    "clipped sgd": SGD(momentum=0.9, clip_norm=0.1, weight_decay=0.1),
    "clipped in vain": SGD(clip_norm=1e6),
}


def network():
    image = layers.Input(6, 6, 2)
    x = layers.Conv2D(5, kernel_size=3, activation="tanh")(image)
    x = layers.BatchNorm()(x)
    x = layers.Conv2D(4, kernel_size=1, trainable=False)(x)
    x = layers.LayerNorm()(x)
    x = layers.Dense(33, activation="tanh")(layers.Flatten()(x))
    return Network(inputs=image, outputs=layers.Dense(4)(x))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps(twins, name):
    pair = twins(network(), loss=CrossEntropy(), optimizer=OPTIMIZERS[name])
    # sign-like optimizers turn a rounding of a tiny derivative into a whole step
    rate = 1e-3 if "adam" in name or name in ("rmsprop", "clipped") else 0.01
    pair.check_steps(np.arange(9) % 4, rate=rate, tolerance=5e-3)


def test_gradients_change_nothing(twins):
    pair = twins(network(), loss=CrossEntropy(), optimizer=Adam())
    before = pair.fast.state()
    pair.fast.gradients(pair.images(4), np.arange(4))
    pair.fast.vjp(pair.images(2), np.ones((2, 4), np.float32))
    pair.fast.activations(pair.images(2), training=True)
    for name, array in pair.fast.state().items():
        assert np.array_equal(array, before[name]), name


def test_a_saved_state_goes_on_with_the_same_bits(twins):
    pair = twins(network(), loss=CrossEntropy(), optimizer=Adam())
    labels = np.arange(8) % 4
    for _ in range(3):
        pair.fast.train_step(pair.images(8), labels, learning_rate=0.01)
    saved = pair.fast.state()
    pair.fast.train_step(pair.images(8), labels, learning_rate=0.01)
    wanted = pair.fast.state()
    pair.fast.load_state(saved)
    pair.fast.train_step(pair.images(8), labels, learning_rate=0.01)
    for name, array in pair.fast.state().items():
        assert np.array_equal(array, wanted[name]), name
