"""A weight's gradient is the sum over the places that use it."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.explain import weight_gradient, weight_gradient_text


@pytest.fixture(scope="module")
def model() -> pl.Model:
    image = pl.Input(7, 7, 2)
    twice = pl.Conv2D(2, kernel_size=3, padding="same")  # placed twice
    x = twice(pl.PReLU()(twice(image)))
    x = pl.BatchNorm()(pl.ConvTranspose2D(3, kernel_size=2, stride=2)(x))
    x = pl.Conv2D(4, kernel_size=3, stride=2, dilation=2, activation="tanh")(x)
    output = pl.Dense(3)(pl.Flatten()(pl.LayerNorm()(x)))
    network = pl.Network(inputs=image, outputs=output)
    return pl.Model(
        network,
        engine="numpy",
        loss="cross_entropy",
        optimizer=pl.SGD(0.1),
        dtype="float64",
        seed=3,
    )


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((7, 7, 2))


def test_the_places_add_up_to_the_difference_of_the_loss(
    model: pl.Model, image: np.ndarray
) -> None:
    rng = np.random.default_rng(1)
    names = [weight.name for weight in model.network.parameters]
    assert len(names) == 13
    for name in names:
        shape = model.weights[name].shape
        at = tuple(int(rng.integers(size)) for size in shape)
        shown = weight_gradient(model, image, f"{name}{list(at)}", label=1)
        total = sum(place.value for place in shown.places)
        assert total == pytest.approx(shown.gradient, rel=1e-9, abs=1e-12)
        assert total == pytest.approx(_difference(model, image, name, at), abs=1e-7)
        assert shown.weight == model.weights[name][at]


def _difference(
    model: pl.Model, image: np.ndarray, name: str, at: tuple[int, ...]
) -> float:
    losses = []
    for step in (1e-6, -1e-6):
        changed = {key: np.array(value) for key, value in model.weights.items()}
        changed[name][at] += step
        other = pl.Model(
            model.network, engine="numpy", loss="cross_entropy", dtype="float64"
        )
        other.load_weights(changed)
        logits = other.predict(image[None])[0]
        losses.append(np.log(np.exp(logits).sum()) - logits[1])
    return float(losses[0] - losses[1]) / 2e-6


def test_the_local_derivative_of_a_convolution_is_the_pixel(
    image: np.ndarray,
) -> None:
    network = pl.Sequential(
        pl.Input(7, 7, 2), pl.Conv2D(2, kernel_size=3), pl.Flatten(), pl.Dense(2)
    )
    model = pl.Model(network, engine="numpy", dtype="float64")
    shown = weight_gradient(model, image, "conv2d.weight[2,0,1,1]", of_class=0)
    assert len(shown.places) == 25
    for place in shown.places:
        i, j, channel = place.at
        assert channel == 1
        assert place.slope == pytest.approx(image[i + 2, j, 1])


def test_the_text_ends_in_two_equal_numbers(model: pl.Model, image: np.ndarray) -> None:
    shown = weight_gradient(model, image, "dense.bias[2]", label=0)
    lines = weight_gradient_text(shown).splitlines()
    assert lines[0].startswith("cross_entropy with label 0")
    assert lines[-1].split("=")[1] == lines[-2].split("=")[1]


@pytest.mark.parametrize(
    ("weight", "says"),
    [
        ("conv2d.weight", "must have 4 numbers below 3×3×2×2"),
        ("conv2d.weight[3,0,0,0]", "must have 4 numbers below"),
        ("conv9.weight[0]", "must be one of the network's arrays"),
        ("batch_norm.running_mean[0]", "frozen or a buffer"),
    ],
)
def test_what_is_no_weight_is_refused(
    model: pl.Model, image: np.ndarray, weight: str, says: str
) -> None:
    with pytest.raises(pl.NetworkError, match=says):
        weight_gradient(model, image, weight, label=0)
