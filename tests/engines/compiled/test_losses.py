"""Every loss with every kind of label, against the numpy engine."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import DataError
from pellucid.network import Network, layers
from pellucid.network.expression import math as pm
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    Dice,
    Focal,
    HalfSquaredErrorSum,
    Huber,
    Masked,
    MeanSquaredError,
    TracedLoss,
    Triplet,
    Yolo,
)

WEIGHTS = np.array([0.5, 2.0, 0.0, 1.0, 3.0])


def features(units, end=None):
    image = layers.Input(7)
    x = layers.Dense(units)(layers.Dense(9, activation="tanh")(image))
    return Network(inputs=image, outputs=end()(x) if end else x)


def pixels(end=None):
    image = layers.Input(4, 3, 2)
    x = layers.Conv2D(3, kernel_size=2)(image)
    return Network(inputs=image, outputs=end()(x) if end else x)


@pytest.mark.parametrize("end", [None, layers.Softmax])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, WEIGHTS])
def test_classes(twins, end, smoothing, weight):
    pair = twins(features(19, end), loss=CrossEntropy(label_smoothing=smoothing))
    pair.check_learning(np.array([0, 18, 3, 3, 7]), sample_weight=weight)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_probabilities_as_labels(twins, smoothing):
    pair = twins(features(6), loss=CrossEntropy(label_smoothing=smoothing))
    labels = np.random.default_rng(0).dirichlet(np.ones(6), 5)
    pair.check_learning(labels)
    pair.check_learning(labels, sample_weight=WEIGHTS)


@pytest.mark.parametrize("end", [None, layers.Softmax])
def test_a_class_for_each_pixel(twins, end):
    pair = twins(pixels(end), loss=CrossEntropy())
    labels = np.random.default_rng(0).integers(0, 3, (5, 3, 2))
    pair.check_learning(labels, sample_weight=WEIGHTS)


@pytest.mark.parametrize("end", [None, layers.Sigmoid])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary(twins, end, smoothing):
    pair = twins(features(3, end), loss=BinaryCrossEntropy(label_smoothing=smoothing))
    labels = np.random.default_rng(0).random((5, 3))
    pair.check_learning(labels)
    pair.check_learning(labels, sample_weight=WEIGHTS)


def test_masks_of_one_channel_go_by_rows(twins):
    image = layers.Input(4, 22, 2)
    x = layers.Conv2D(1, kernel_size=2)(image)
    network = Network(inputs=image, outputs=layers.Sigmoid()(x))
    pair = twins(network, loss=BinaryCrossEntropy(label_smoothing=0.1))
    labels = np.random.default_rng(0).integers(0, 2, (5, 3, 21, 1))
    pair.check_learning(labels)
    pair.check_learning(labels, sample_weight=WEIGHTS)


@pytest.mark.parametrize("loss", [MeanSquaredError(), HalfSquaredErrorSum()])
def test_squared_errors(twins, loss):
    labels = np.random.default_rng(0).random((5, 3, 2, 3))
    pair = twins(pixels(layers.Sigmoid), loss=loss)
    pair.check_learning(labels)
    pair.check_learning(labels, sample_weight=WEIGHTS)


def mixture(output, target):
    """Channels, every kind of sum, and operators with corners."""
    inner = pm.maximum(
        output[..., :3] * target[..., 3:], pm.clip(output[..., 2], -1, 1)
    )
    share = inner / (1 + pm.sum(output[..., 1] ** 2, "positions"))
    held = pm.minimum(pm.abs(output[..., -1]), pm.stop_gradient(output[..., 0]))
    rows = pm.mean(pm.softmax(output) * output, "channels")
    return share + rows * held + pm.sum(pm.split(output, 2)[1] ** 3) * 0.01


FORMULAS = {
    "huber": (Huber(0.3), "soft"),
    "focal": (Focal(1.5, activation="softmax"), "classes"),
    "dice": (Dice(activation="softmax"), "classes"),
    "masked": (Masked(CrossEntropy(), 2), "classes"),
    "yolo": (Yolo(), "soft"),
    "traced": (TracedLoss(mixture), "soft"),
    "triplet": (Triplet(), "none"),
    "dice and focal of one channel": (Dice() + Focal(), "soft"),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(twins, name):
    """19 channels are whole vectors and a rest, 6 are less than one, 1 goes by rows."""
    loss, kind = FORMULAS[name]
    channels = {"huber": 19, "dice": 19}.get(name, 1 if "one" in name else 6)
    width = 22 if channels == 1 else 3
    image = layers.Input(4, width, 2)
    pair = twins(
        Network(inputs=image, outputs=layers.Conv2D(channels, kernel_size=2)(image)),
        loss=loss,
    )
    random = np.random.default_rng(0)
    shape = (5, 3, width - 1, channels)
    labels = {
        "soft": random.random(shape),
        "classes": random.integers(0, channels, shape[:-1]),
        "none": np.zeros(5),
    }[kind]
    pair.check_learning(labels)
    pair.check_learning(labels, sample_weight=WEIGHTS)


def test_large_logits_keep_their_loss(twins):
    image = layers.Input(2)
    network = Network(inputs=image, outputs=layers.Flatten()(image))
    pair = twins(network, loss=CrossEntropy())
    x = np.array([[300.0, -300.0], [0.0, 90.0]], np.float32)
    labels = np.array([1, 1])
    found = pair.fast.gradients(x, labels)[0]
    assert found == pytest.approx(300.0, rel=1e-6)


def test_a_wrong_number_of_labels_is_refused(twins):
    pair = twins(features(3), loss=CrossEntropy())
    with pytest.raises(DataError, match="cross_entropy: labels must have shape"):
        pair.fast.gradients(pair.images(4), np.zeros(3, int))


def test_labels_that_are_a_part_of_an_array_are_read_as_such() -> None:
    network = pl.Sequential(pl.Input(4), pl.Dense(3))
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((8, 5)).astype(np.float32)
    images = rng.standard_normal((8, 4)).astype(np.float32)
    model = pl.Model(network, engine="compiled", loss="huber", seed=0)
    found, wanted = (
        model.gradients(images, labels)
        for labels in (whole[:, 1:4], whole[:, 1:4].copy())
    )
    assert found[0] == wanted[0]
    for name, gradient in wanted[1].items():
        np.testing.assert_array_equal(found[1][name], gradient)
