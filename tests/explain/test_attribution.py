"""Attributions by gradients, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain


@pytest.fixture(scope="module")
def model() -> pl.Model:
    network = pl.Sequential(
        pl.Input(8, 8, 2),
        pl.Conv2D(4, kernel_size=3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Conv2D(3, kernel_size=2, activation="relu"),
        pl.Flatten(),
        pl.Dense(3, activation="softmax"),
    )
    return pl.Model(network, engine="numpy", dtype="float64", seed=5)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((8, 8, 2))


def _score(model: pl.Model, image: np.ndarray, k: int) -> float:
    return float(model.activations(image[None])["dense"][0, k])


def test_integrated_gradients_add_up_to_the_rise_of_the_score(
    model: pl.Model, image: np.ndarray
) -> None:
    begin = np.full_like(image, 0.3)
    found = explain.integrated_gradients(model, image, 2, baseline=begin, steps=2000)
    rise = _score(model, image, 2) - _score(model, begin, 2)
    assert found.of_class == 2
    assert found.values.sum() == pytest.approx(rise, abs=1e-3)


def test_integrated_gradients_of_a_linear_network_are_exact() -> None:
    network = pl.Sequential(pl.Input(2, 3, 1), pl.Flatten(), pl.Dense(2))
    model = pl.Model(network, engine="numpy", dtype="float64", seed=0)
    x = np.arange(6.0).reshape(2, 3, 1)
    found = explain.integrated_gradients(model, x, 1, steps=1)
    by_hand = x.ravel() * model.weights["dense.weight"][:, 1]
    np.testing.assert_allclose(found.values.ravel(), by_hand, rtol=1e-12)


def test_grad_cam_by_its_equations(model: pl.Model, image: np.ndarray) -> None:
    found = explain.grad_cam(model, image, 1)
    maps = model.activations(image[None])["conv2d_1_relu"][0]  # 2×2×3
    weight = model.weights["dense.weight"][:, 1].reshape(2, 2, 3)
    heat = np.maximum((maps * weight.mean(axis=(0, 1))).sum(axis=-1), 0)
    assert found.values.shape == (8, 8)
    corners = found.values[np.ix_([0, -1], [0, -1])]
    np.testing.assert_allclose(corners, heat, rtol=1e-12)
    centre = found.values[3:5, 3:5].mean()
    assert centre == pytest.approx(heat.mean())
    whole = explain.grad_cam(model, image, 1, node="conv2d_relu")
    assert whole.values.min() >= 0


def test_guided_backpropagation_by_hand() -> None:
    network = pl.Sequential(pl.Input(2), pl.Dense(2, activation="relu"), pl.Dense(1))
    model = pl.Model(network, engine="numpy", dtype="float64")
    model.load_weights(
        {
            "dense.weight": np.array([[1.0, 2.0], [3.0, -1.0]]),
            "dense.bias": np.zeros(2),
            "dense_1.weight": np.array([[-1.0], [1.0]]),
            "dense_1.bias": np.zeros(1),
        }
    )
    # both units are active; only the second is passed a positive gradient
    found = explain.guided_backpropagation(model, np.array([2.0, 1.0]), 0)
    np.testing.assert_allclose(found.values, [2.0, 1.0])


@pytest.mark.parametrize("kind", explain.ATTRIBUTIONS)
def test_every_kind_answers_on_every_engine_s_model(
    model: pl.Model, image: np.ndarray, kind: str
) -> None:
    other = pl.Model(model.network, engine="compiled")
    other.load_weights(model.weights)
    found = explain.attribute(other, image.astype(np.float32), kind)
    assert found.values.shape == (8, 8)
    assert np.isfinite(found.values).all()
    assert found.of_class == int(model.predict(image[None])[0].argmax())
    figure = explain.attribution_picture(model, image, found, kind)
    assert len(figure.axes) == 3


def test_what_cannot_be_attributed_is_refused(
    model: pl.Model, image: np.ndarray
) -> None:
    with pytest.raises(pl.NetworkError, match="attribution must be one of grad-cam"):
        explain.attribute(model, image, "shap")
    with pytest.raises(pl.NetworkError, match=r"class must be from 0 to .*got 'seven'"):
        explain.grad_cam(model, image, "seven")  # type: ignore[arg-type]
    with pytest.raises(pl.NetworkError, match="node must have an image as output"):
        explain.grad_cam(model, image, node="dense")
    with pytest.raises(pl.NetworkError, match="steps must be at least 1"):
        explain.integrated_gradients(model, image, steps=0)
    dense = pl.Model(pl.Sequential(pl.Input(3), pl.Dense(2)), engine="numpy")
    with pytest.raises(pl.NetworkError, match="input must be an image"):
        explain.grad_cam(dense, np.zeros(3))
