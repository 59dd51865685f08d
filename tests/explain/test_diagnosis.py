"""Each symptom is found where it was planted, and none in a good training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.explain import diagnose


def points(count: int, seed: int) -> pl.Dataset:
    x = np.random.default_rng(seed).standard_normal((count, 4)).astype(np.float32)
    return pl.Dataset(x, (x[:, 0] + x[:, 1] > 0).astype(np.int64))


def shuffled(data: pl.Dataset, seed: int) -> pl.Dataset:
    return pl.Dataset(data.images, np.random.default_rng(seed).permutation(data.labels))


def train(
    data: pl.Dataset, held: pl.Dataset, units: int = 16, epochs: int = 5, **how: Any
) -> tuple[pl.Model, pl.History]:
    network = pl.Sequential(
        pl.Input(4), pl.Dense(units, activation="relu"), pl.Dense(2)
    )
    model = pl.Model(
        network,
        engine="numpy",
        loss="cross_entropy",
        optimizer=how.pop("optimizer", pl.Adam(0.01)),
        seed=1,
    )
    history = model.fit(
        data, validation_data=held, epochs=epochs, batch_size=16, progress=False, **how
    )
    return model, history


def kinds(model: pl.Model, history: pl.History, data: pl.Dataset) -> set[str]:
    return {symptom.kind for symptom in diagnose(model, history, data)}


HELD = points(400, 9)


def test_a_good_training_has_no_symptom() -> None:
    model, history = train(points(600, 0), HELD)
    assert history["val_accuracy"][-1] > 0.9
    assert diagnose(model, history, HELD) == ()


def test_nothing_learned() -> None:
    model, history = train(points(200, 0), HELD, optimizer=pl.SGD(0.0), epochs=1)
    model.load_weights({k: 0 * v for k, v in model.weights.items()})
    found = diagnose(model, history, HELD)
    assert {"at-chance", "one-class"} <= {symptom.kind for symptom in found}
    assert "of 400 images of 2 classes" in found[0].text
    assert not any("larger" in s.advice for s in found)
    assert "of 400 images are answered '" in next(
        symptom.text for symptom in found if symptom.kind == "one-class"
    )


def test_labels_that_were_shuffled() -> None:
    data = shuffled(points(60, 0), 3)
    model, history = train(data, HELD, units=200, epochs=60, optimizer=pl.Adam(0.03))
    assert history["accuracy"][-1] > 0.9
    assert "shuffled-labels" in kinds(model, history, shuffled(HELD, 4))


def test_overfitting() -> None:
    data, held = points(40, 0), points(400, 8)
    noisy = np.where(np.arange(40) % 4 == 0, 1 - data.labels, data.labels)
    model, history = train(
        pl.Dataset(data.images, noisy),
        held,
        units=100,
        epochs=80,
        optimizer=pl.Adam(0.02),
    )
    found = {s.kind: s.text for s in diagnose(model, history, held)}
    assert "overfitting" in found
    assert f"after {len(history)}" in found["overfitting"]


def test_rates() -> None:
    model, history = train(points(200, 0), HELD, optimizer=pl.SGD(1e-6))
    assert "rate-too-low" in kinds(model, history, HELD)
    rising = pl.History([{"epoch": i + 1, "loss": loss} for i, loss in enumerate(
        [0.7, 0.9, 0.8, 1.1]
    )])  # fmt: skip
    assert "rate-too-high" in kinds(model, rising, HELD)


def test_dead_units() -> None:
    model, history = train(points(600, 0), HELD)
    bias = np.array(model.weights["dense.bias"])
    bias[:8] = -100
    model.load_weights({**model.weights, "dense.bias": bias})
    assert diagnose(model, history, HELD) == ()  # good enough all the same
    poor = pl.History([{"epoch": 1, "loss": 0.6, "accuracy": 0.7}])
    found = [s for s in diagnose(model, poor, HELD) if s.kind == "dead-units"]
    assert found[0].text.startswith("8 of 16 channels of dense_relu are 0 for each")


@pytest.mark.parametrize("kind", ["regression", "two outputs"])
def test_where_too_little_is_known_nothing_is_said(kind: str) -> None:
    x = np.zeros((20, 3), np.float32)
    if kind == "two outputs":
        first = pl.Input(3)
        outputs = [pl.Dense(1)(first), pl.Dense(1)(first)]
        network = pl.Network(inputs=first, outputs=outputs)
    else:
        network = pl.Sequential(pl.Input(3), pl.Dense(1))
    loss = "mse" if kind == "regression" else None
    model = pl.Model(network, engine="numpy", loss=loss)
    data = pl.Dataset(x, np.zeros((20, 1), np.float32))
    history = pl.History([{"epoch": 1, "loss": 0.5}])
    assert diagnose(model, history, data) == ()


def linear(weight: float, bias: float = 0.0) -> pl.Model:
    """A model that answers class 1 where weight · x₀ + bias > 0."""
    model = pl.Model(
        pl.Sequential(pl.Input(4), pl.Dense(2)), engine="numpy", loss="cross_entropy"
    )
    zero = {key: np.zeros_like(array) for key, array in model.weights.items()}
    zero["dense.weight"][0, 1] = weight
    zero["dense.bias"][1] = bias
    model.load_weights(zero)
    return model


def course(*losses: float, **figures: float) -> pl.History:
    return pl.History([{"loss": loss, **figures} for loss in losses])


def rare(right: float) -> pl.Dataset:
    """Images of which 5 % are class 1, most of them told by a positive x₀."""
    truth = np.arange(400) % 20 == 0
    sign = np.where(truth, 1.0, -1.0)
    wrong = np.flatnonzero(truth)[: round((1 - right) * 400)]
    sign[wrong] = -1
    x = np.zeros((400, 4), np.float32)
    x[:, 0] = sign
    return pl.Dataset(x, truth.astype(np.int64))


def test_a_model_of_rare_positives_that_has_learned_has_no_symptom() -> None:
    figures = {"accuracy": 0.99, "val_accuracy": 0.99}
    data = rare(0.99)
    assert diagnose(linear(4.0), course(0.3, 0.1, 0.05, **figures), data) == ()
    never = linear(0.0, bias=-3.0)  # 95 % right, and has learned nothing
    assert "at-chance" in kinds(never, course(0.3, 0.2, 0.2, accuracy=0.95), data)


def test_of_few_images_nothing_is_said() -> None:
    x = np.random.default_rng(5).standard_normal((12, 4)).astype(np.float32)
    data = (x, np.arange(12) % 2)  # a pair, as evaluate takes it
    for accuracy in (0.5, 1.0):
        assert diagnose(linear(0.0), course(0.7, accuracy=accuracy), data) == ()


def test_before_the_first_epoch_nothing_is_said() -> None:
    assert diagnose(linear(0.0), pl.History(), HELD) == ()


@pytest.mark.parametrize(
    ("losses", "kind", "says", "says_not"),
    [
        ((0.70, 0.699, 0.698), "rate-too-low", "larger", "smaller"),
        ((0.70, 0.90, 1.20), "rate-too-high", "smaller", "larger"),
        ((90.0, 0.701, 0.699), "at-chance", "smaller", "larger"),
        ((90.0, 89.9, 89.8), "rate-too-low", "larger", "smaller"),
        ((0.700, 0.701, 0.699), "at-chance", "another", "larger"),
        ((0.700, 0.701, 0.699), "at-chance", "another", "smaller"),
    ],
)
def test_all_advice_on_the_rate_agrees(losses, kind, says, says_not) -> None:
    found = diagnose(linear(0.0), course(*losses, accuracy=0.5), HELD)
    assert {"at-chance", kind} <= {symptom.kind for symptom in found}
    assert says in found[0].advice
    assert not any(says_not in symptom.advice for symptom in found)


def test_a_loss_far_above_that_of_guessing_is_noticed() -> None:
    model = linear(-2000.0)  # mostly wrong, and sure of it
    found = diagnose(model, course(900.0, 770.0, accuracy=0.3), HELD)
    text = next(s.text for s in found if s.kind == "rate-too-high")
    assert text.startswith("The training loss is 770 at the end")
    assert "0.6931" in text
