"""Training with rounded weights and activations, on every engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines import Engine
from pellucid.network.fake_quantization import plain_network, round_weights


def network() -> pl.Network:
    """Every layer whose weight is rounded, with groups where it has them."""
    entry, pieces = pl.Input(4, 4, 4), pl.Quantization(1 / 64, -100)
    x = pl.FakeQuantize(pieces)(entry)
    conv = pl.Conv2D(4, kernel_size=3, groups=2, padding="same")
    up = pl.ConvTranspose2D(4, kernel_size=3, groups=2, padding="same")
    y = pl.FakeQuantized(conv, bits=4)(x)
    z = pl.FakeQuantized(up, bits=5)(x)
    y = pl.Flatten()(pl.FakeQuantize(pl.Quantization(1 / 32, 3))(pl.Add()(y, z)))
    return pl.Network(inputs=entry, outputs=pl.FakeQuantized(pl.Dense(3))(y))


def test_a_step_is_that_of_rounded_weights_applied_to_the_weights(
    engine: Engine, reference: Engine, data: dict[str, Any]
) -> None:
    network, images, labels, weights = (
        data[name] for name in ("network", "images", "labels", "weights")
    )
    given = {"loss": pl.CrossEntropy(), "optimizer": pl.SGD(0.5)}
    rounded = round_weights(network, weights)
    plain = reference.build(
        plain_network(network), state=_state(rounded), loss=given["loss"]
    )
    loss, gradients = plain.gradients(images, labels)
    session = engine.build(network, state=_state(weights), **given)
    result = session.train_step(images, labels, learning_rate=0.5)
    assert result.loss == pytest.approx(loss, rel=1e-5)
    state = session.state()
    for name, before in weights.items():
        found = (before - state[f"weights/{name}"]) / 0.5
        np.testing.assert_allclose(found, gradients[name], atol=2e-5, err_msg=name)
    output = plain.predict(images)
    np.testing.assert_allclose(result.output, output, atol=1e-5)


def _state(weights: dict[str, Any]) -> dict[str, Any]:
    return {f"weights/{name}": array for name, array in weights.items()}


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """Images and weights whose activations stay away from the rounding points."""
    made, random = network(), np.random.default_rng(2)
    weights = made.initial_weights(1)
    images = random.integers(0, 128, (3, 4, 4, 4)).astype(np.float32) / 64
    labels = random.integers(0, 3, 3)
    session = pl.engines.make("numpy").build(made, state=_state(weights))
    steps = session.activations(images)["add"] * 32
    assert np.abs(steps - np.floor(steps) - 0.5).min() > 1e-3
    return {"network": made, "images": images, "labels": labels, "weights": weights}


def test_pytorch_rounds_the_same() -> None:
    torch = pytest.importorskip("torch")
    layer = pl.FakeQuantize(pl.Quantization(0.25, -3))
    x = np.random.default_rng(0).normal(0, 20, (4, 500)).astype(np.float32)
    x[0, :9] = np.arange(-4, 5) / 8  # halves
    there = torch.tensor(x, requires_grad=True)
    wanted = torch.fake_quantize_per_tensor_affine(there, 0.25, -3, -128, 127)
    wanted.sum().backward()
    model = pl.Model(pl.Sequential(pl.Input(500), layer), engine="numpy")
    np.testing.assert_array_equal(model.predict(x), wanted.detach().numpy())
    gradient, _ = model.vjp(x, np.ones_like(x))
    is_inside = np.abs(x / 0.25 - 0.5 - 2) < 127  # PyTorch's ends half a step later
    np.testing.assert_array_equal(gradient[is_inside], there.grad.numpy()[is_inside])
