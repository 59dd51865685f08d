"""What the engine on JAX promises beyond the contract."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import objectives as obj
from pellucid.engines import make
from pellucid.engines.state import initial_state
from pellucid.network import Network, Sequential, zoo
from pellucid.network import layers as pl

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")


def session_of(network: Network, dtype: str = "float32", **options: object):
    return make("jax", **options).build(
        network,
        state=initial_state(network, seed=3, dtype=dtype),
        loss=obj.CrossEntropy(),
        optimizer=obj.Adam(),
        dtype=dtype,
    )


def small() -> Network:
    return Sequential(
        pl.Input(6, 6, 2),
        pl.Conv2D(4, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(3),
    )


def batch(count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    images = random.random((count, 6, 6, 2)).astype(np.float32)
    return images, random.integers(0, 3, count)


def test_float64_is_switched_on_in_a_scope_only() -> None:
    wide = session_of(small(), "float64")
    assert wide.predict(batch()[0]).dtype == np.float64
    wide.train_step(*batch(), learning_rate=0.1)
    assert jax.numpy.ones(1).dtype == np.float32
    assert not jax.config.jax_enable_x64


def test_native_is_a_pure_function_and_its_weights() -> None:
    session = session_of(small())
    images, labels = batch()
    apply, weights = session.native
    logits = jax.jit(apply)(weights, images)
    np.testing.assert_allclose(logits, session.predict(images), rtol=1e-5, atol=1e-6)
    session.train_step(images, labels, learning_rate=0.1)
    assert not np.allclose(apply(session.native.weights, images), logits)


def test_native_goes_on_training_with_dropout_and_running_statistics() -> None:
    network = Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(3, kernel_size=3),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.Dropout(0.5),
        pl.Flatten(),
        pl.Dense(4),
    )
    session = session_of(network)
    apply, weights = session.native
    random = np.random.default_rng(0)
    images, labels = random.random((32, 6, 6, 1)).astype("f"), np.arange(32) % 4
    learnt = {weight.name for weight in network.parameters}

    @jax.jit
    def step(weights, key):
        def loss_of(trained):
            logits, moved = apply(
                {**weights, **trained}, images, training=True, key=key
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), moved

        trained = {name: weights[name] for name in learnt}
        (loss, moved), grads = jax.value_and_grad(loss_of, has_aux=True)(trained)
        return loss, {**moved, **{n: w - 0.1 * grads[n] for n, w in trained.items()}}

    keys = jax.random.split(jax.random.key(0), 60)
    losses = []
    for key in keys:
        loss, weights = step(weights, key)
        losses.append(float(loss))
    assert np.mean(losses[-5:]) < 0.8 * losses[0]
    assert step(weights, keys[0])[0] != step(weights, keys[1])[0]  # other masks
    moved = weights["batch_norm.running_mean"]
    assert (
        np.abs(moved - session.native.weights["batch_norm.running_mean"]).max() > 0.01
    )
    whole, _ = apply(weights, images, training=True)
    assert whole.shape == (32, 4)
    assert "(3, 3, 1, 3)" in repr(session.native)


def test_a_schedule_does_not_compile_again() -> None:
    session = session_of(small())
    for number in range(4):
        session.train_step(*batch(), learning_rate=0.1 / (1 + number))
    assert session._jit_step._cache_size() == 1


def test_a_steps_buffers_are_donated_to_the_next() -> None:
    session = session_of(small())
    before = session.native.weights["conv2d.weight"]
    session.train_step(*batch(), learning_rate=0.1)
    assert before.is_deleted()


def test_bfloat16_is_near_and_keeps_float32_weights() -> None:
    exact = session_of(zoo("lenet5"))
    mixed = session_of(zoo("lenet5"), precision="bfloat16")
    images = np.random.default_rng(0).random((4, 28, 28, 1)).astype(np.float32)
    ours, theirs = mixed.predict(images), exact.predict(images)
    assert ours.dtype == np.float32
    assert 1e-6 < np.abs(ours - theirs).max() / np.abs(theirs).max() < 0.05
    result = mixed.train_step(images, np.arange(4), learning_rate=1e-3)
    expected = exact.train_step(images, np.arange(4), learning_rate=1e-3)
    assert result.loss == pytest.approx(expected.loss, rel=0.02)
    assert mixed.state()["weights/conv2d.weight"].dtype == np.float32
