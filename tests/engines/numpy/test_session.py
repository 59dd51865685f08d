"""The session: the chain rule through the graph, steps, and what must not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.differences import relative_error

import pellucid as pl


def branching() -> pl.Network:
    image = pl.Input(6, 6, 2)
    x = pl.Conv2D(4, kernel_size=3, padding="same", bias=False)(image)
    y = pl.ReLU()(pl.BatchNorm()(x))
    y = pl.Conv2D(4, kernel_size=3, padding="same")(pl.Dropout(0.3)(y))
    z = pl.Concat()(pl.Add()(x, y), x)
    return pl.Network(inputs=image, outputs=pl.Dense(3)(pl.GlobalAvgPool2D()(z)))


def model(network: pl.Network, **arguments: Any) -> pl.Model:
    given = {"loss": "cross_entropy", "optimizer": pl.SGD(0.1), "dtype": "float64"}
    return pl.Model(network, engine="numpy", **(given | arguments))


def batch(network: pl.Network, n: int = 5) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.standard_normal((n, *network.input_shape))
    return x, random.integers(0, network.output_shape[-1], n)


def test_gradients_through_branches_equal_central_differences() -> None:
    m = model(branching())
    x, y = batch(m.network)
    _, grads = m.gradients(x, y)
    for name, grad in grads.items():
        weights = {k: v.copy() for k, v in m.weights.items()}
        index = tuple(np.random.default_rng(1).integers(0, grad.shape))
        losses = []
        for step in (1e-5, -1e-5):
            weights[name][index] += step
            m.load_weights(weights)
            losses.append(m.gradients(x, y)[0])
            weights[name][index] -= step
        m.load_weights(weights)
        numeric = (losses[0] - losses[1]) / 2e-5
        assert relative_error(np.array(grad[index]), np.array(numeric)) < 1e-6, name


def test_gradients_activations_and_vjp_change_nothing() -> None:
    m = model(branching())
    x, y = batch(m.network)
    before = m.state()
    m.gradients(x, y)
    m.activations(x, training=True)
    m.vjp(x, np.ones((5, 3)))
    after = m.state()
    assert before.keys() == after.keys()
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])


def test_vjp_of_the_loss_derivative_is_the_gradient() -> None:
    m = model(branching())
    x, y = batch(m.network)
    logits = m.activations(x, training=True)[m.network.outputs[0]]
    _, grad = m.loss.value_and_grad(logits, y)  # type: ignore[union-attr]
    grad_x, grads = m.vjp(x, grad)
    assert grad_x.shape == x.shape
    for name, expected in m.gradients(x, y)[1].items():
        np.testing.assert_allclose(grads[name], expected, rtol=1e-12, atol=1e-15)


def test_loss_absorbs_the_softmax_and_predict_gives_probabilities() -> None:
    plain = pl.Sequential(pl.Input(4), pl.Dense(3))
    soft = pl.Sequential(pl.Input(4), pl.Dense(3, activation="softmax"))
    x, y = batch(plain)
    a, b = model(plain), model(soft)
    np.testing.assert_allclose(a.gradients(x, y)[0], b.gradients(x, y)[0], rtol=1e-15)
    np.testing.assert_allclose(b.predict(x).sum(axis=1), 1)
    assert a.train_step(x * 1e4, y) == pytest.approx(b.train_step(x * 1e4, y))


def test_frozen_weights_stay_and_have_no_gradient() -> None:
    network = branching().frozen("conv2d", "batch_norm")
    m = model(network)
    x, y = batch(network)
    assert set(m.gradients(x, y)[1]) == {
        "conv2d_1.weight",
        "conv2d_1.bias",
        "dense.weight",
        "dense.bias",
    }
    before = dict(m.weights)
    m.train_step(x, y)
    for name, array in m.weights.items():
        same = np.array_equal(array, before[name])
        assert same == name.startswith(("conv2d.", "batch_norm.")), name


def test_batch_norm_learns_its_statistics_in_a_step_only() -> None:
    m = model(branching())
    x, y = batch(m.network)
    m.train_step(x, y)
    assert not np.array_equal(m.weights["batch_norm.running_mean"], np.zeros(4))


def test_a_step_without_a_loss_says_so() -> None:
    m = pl.Model(branching(), engine="numpy")
    x, y = batch(m.network)
    with pytest.raises(pl.EngineError, match="loss must be given to train"):
        m.train_step(x, y)
    m = pl.Model(branching(), engine="numpy", loss="cross_entropy")
    with pytest.raises(pl.EngineError, match="optimizer must be given to train"):
        m.train_step(x, y)


def test_masks_can_be_handed_over() -> None:
    m, other = model(branching()), model(branching())
    x, y = batch(m.network)
    masks = {"dropout": np.ones((5, 6, 6, 4))}
    assert m.train_step(x, y, masks=masks) != other.train_step(x, y)


XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
XOR_LABELS = np.array([[0], [1], [1], [0]], float)


def transcription(weights: dict[str, Any], epochs: int, rate: float) -> dict[str, Any]:
    """Classic back-propagation, as textbooks write it."""

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    w = {name: array.copy() for name, array in weights.items()}
    names = sorted({name.split(".")[0] for name in w}, key=len)
    names.sort(key=lambda n: int(n.partition("_")[2] or 0))
    for _ in range(epochs):
        layers = [XOR]
        for name in names:
            layers.append(sigmoid(layers[-1] @ w[f"{name}.weight"] + w[f"{name}.bias"]))
        y = layers[-1]
        delta = (XOR_LABELS - y) * y * (1 - y)
        for k in range(len(names) - 1, -1, -1):
            name, x = names[k], layers[k]
            error = delta @ w[f"{name}.weight"].T
            w[f"{name}.weight"] += x.T @ delta * rate
            w[f"{name}.bias"] += delta.sum(axis=0) * rate
            delta = error * x * (1 - x)
    return w


@pytest.mark.parametrize("name", ["xor-one-hidden", "xor-two-hidden"])
def test_classic_networks_train_exactly_as_the_textbook(name: str) -> None:
    m = model(
        pl.zoo(name), loss="half_squared_error_sum", optimizer=pl.SGD(0.1), seed=3
    )
    start = dict(m.weights)
    for array in start.values():
        assert (np.abs(array) < 1).all()
    for _ in range(10_000):
        m.train_step(XOR, XOR_LABELS)
    expected = transcription(start, 10_000, 0.1)
    for weight, array in m.weights.items():
        np.testing.assert_allclose(array, expected[weight], rtol=0, atol=1e-10)


def test_no_images_give_no_outputs_and_gradients_of_zero() -> None:
    session = model(branching()).session
    before = session.state()
    nothing, grad = np.zeros((0, 6, 6, 2)), np.zeros((0, 3))
    assert session.predict(nothing).shape == (0, 3)
    for training in (False, True):
        found = session.activations(nothing, training=training)
        assert found["concat"].shape == (0, 6, 6, 8)
        output, saved = session.forward(nothing, training)
        assert output.shape == (0, 3)
        for grads in (
            session.backward(saved, grad),
            session.vjp(nothing, grad, training=training),
        ):
            assert grads[0].shape == nothing.shape
            assert not any(array.any() for array in grads[1].values())
    after = session.state()
    for name, array in before.items():
        assert name == "step" or np.array_equal(array, after[name])
