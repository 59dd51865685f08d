"""Parity on the networks that come with pellucid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid import objectives as obj
from pellucid.engines import Engine, Session
from pellucid.engines.state import initial_state
from pellucid.network import ZOO, Network, zoo

pytestmark = pytest.mark.sweep(every=3, engines=("jax", "tensorflow"))

NETWORKS = tuple(ZOO)
Arrays = dict[str, np.ndarray]


def loss_of(network: Network) -> obj.Loss:
    return (
        obj.HalfSquaredErrorSum()
        if network.output_shape == (1,)
        else obj.CrossEntropy()
    )


def batch_of(network: Network, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    images = random.random((6, *network.input_shape)).astype(dtype)
    classes = network.output_shape[-1]
    labels = random.integers(0, max(classes, 2), 6)
    return images, labels if classes > 1 else labels.astype(dtype)[:, None]


def build(engine: Engine, network: Network, dtype: str) -> Session:
    state = initial_state(network, seed=1, dtype="float32")
    optimizer = obj.SGD(momentum=0.9, weight_decay=1e-4)
    make = {"loss": loss_of(network), "optimizer": optimizer, "dtype": dtype}
    return engine.build(network, state=state, **make)


def distance(ours: Arrays, theirs: Arrays, name: str) -> float:
    """‖a − b‖∞ / ‖b‖∞."""
    scale = np.max(np.abs(theirs[name])) or 1.0
    difference = np.abs(ours[name].astype(np.float64) - theirs[name])
    return float(np.max(difference, initial=0) / scale)


def one_step(session: Session, images: Any, labels: Any) -> tuple[Arrays, ...]:
    """Return activations, and the state after one update.

    The velocities in that state are the gradients (and the weight decay).
    """
    activations = session.activations(images, training=True)
    session.train_step(images, labels, learning_rate=0.01)
    return activations, session.state()


@pytest.mark.parametrize("name", NETWORKS)
def test_zoo_networks_agree_in_float64(
    name: str, engine: Engine, reference: Engine
) -> None:
    if engine.name == "compiled":
        pytest.skip("the compiled engine has no float64")
    network = zoo(name)
    batch = batch_of(network, "float64")
    ours = one_step(build(engine, network, "float64"), *batch)
    theirs = one_step(build(reference, network, "float64"), *batch)
    for mine, other, limit in zip(ours, theirs, (1e-10, 1e-9), strict=True):
        assert list(mine) == list(other)
        for key in other:
            assert distance(mine, other, key) <= limit, key


@pytest.mark.parametrize("name", NETWORKS)
def test_zoo_networks_agree_in_float32_beside_the_noise_floor(
    name: str, engine: Engine, reference: Engine
) -> None:
    # The floor is the reference's own float32 against its float64, the largest over
    # the tensors of a kind, as one tensor's may be small by luck.
    network = zoo(name)
    batch = batch_of(network, "float32")
    ours = one_step(build(engine, network, "float32"), *batch)
    floor = one_step(build(reference, network, "float32"), *batch)
    exact = one_step(build(reference, network, "float64"), *batch)
    for mine, noisy, other, least in zip(ours, floor, exact, (1e-5, 1e-6), strict=True):
        limit = max(least, 10 * max(distance(noisy, other, key) for key in other))
        for key in other:
            assert distance(mine, other, key) <= limit, key


@pytest.mark.parametrize("name", ["lenet5", "mnist-keras"])
def test_predictions_do_not_depend_on_the_batch(name: str, engine: Engine) -> None:
    network = zoo(name)
    images, _ = batch_of(network, "float32")
    session = build(engine, network, "float32")
    together = session.predict(images)
    alone = np.concatenate([session.predict(images[:2]), session.predict(images[2:])])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)
