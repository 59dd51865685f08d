"""Engine on AMX tiles, whole: against numpy, and switched off."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import engines
from pellucid.engines.compiled.codegen import cpu
from pellucid.network import Network, layers

pytestmark = pytest.mark.sweep(every=2)

needs_amx = pytest.mark.skipif(
    not cpu.target().has_amx, reason="this processor has no AMX tiles for bfloat16"
)


def network() -> Network:
    """Return a network whose convolution and first dense layer fill tiles."""
    return pl.Sequential(
        [
            layers.Input((14, 14, 32)),
            layers.Conv2D(64, 3, padding="same"),
            layers.ReLU(),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ]
    )


def made(**options):
    engine = engines.make("compiled", **options)
    loss, optimizer = pl.CrossEntropy(), pl.Adam(1e-3)
    state = engines.state.initial_state(network(), seed=0, dtype="float32")
    return engine.build(network(), state=state, loss=loss, optimizer=optimizer)


@needs_amx
@pytest.mark.parametrize(("count", "threads"), [(24, 1), (33, 1), (64, 2), (97, 2)])
def test_it_agrees_with_numpy(twins, count, threads):
    labels = np.random.default_rng(0).integers(0, 10, count)
    how = {"loss": pl.CrossEntropy(), "optimizer": pl.Adam(1e-3), "threads": threads}
    pair = twins(network(), **how)
    assert str(pair.fast.plan).count("on AMX") == 5
    pair.check_forward(count)
    pair.check_vjp(count)
    pair.check_learning(labels)
    # in more steps a pool's near-tie is decided otherwise, on vectors as well
    pair.check_steps(labels, steps=2, rate=1e-3)


@needs_amx
def test_a_pooled_convolution_of_a_small_map_agrees_with_numpy(twins):
    net = pl.Sequential(
        [
            layers.Input((6, 6, 128)),
            layers.Conv2D(128, 3, padding=1),
            layers.ReLU(),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    how = {"loss": pl.CrossEntropy(), "optimizer": pl.SGD(1e-3), "threads": 2}
    pair = twins(net, **how)
    plan = str(pair.fast.plan)
    assert "images are rows, on AMX" in plan
    assert "sparse_grad_weight" in plan
    pair.check_vjp(21)
    pair.check_learning(np.arange(21) % 10)


@needs_amx
def test_direct_convolutions_agree_with_numpy(twins):
    net = pl.Sequential(
        [
            layers.Input((19, 21, 64)),
            layers.Conv2D(64, 3, stride=2, padding=1, bias=False),
            layers.BatchNorm(),
            layers.HardSwish(),
            layers.Conv2D(96, (1, 3), padding=((0, 0), (1, 1))),
            layers.GlobalAvgPool2D(),
            layers.Dense(5),
        ]
    )
    labels = np.arange(5)
    pair = twins(net, loss=pl.CrossEntropy(), optimizer=pl.SGD(0.01), threads=2)
    pair.check_predict(1)
    assert str(pair.fast.plan).count("taps are runs of pixels, on AMX") == 4
    pair.check_predict(5)
    pair.check_learning(labels)


@needs_amx
def test_small_maps_and_pixels_joined_agree_with_numpy(twins):
    net = pl.Sequential(
        [
            layers.Input((4, 4, 64)),
            layers.Conv2D(128, 1, activation="relu"),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(128, 3, padding="same", bias=False),
            layers.BatchNorm(),
            layers.GlobalAvgPool2D(),
            layers.Dense(5),
        ]
    )
    labels = np.arange(21) % 5
    pair = twins(net, loss=pl.CrossEntropy(), optimizer=pl.SGD(0.01), threads=2)
    pair.check_learning(labels)
    plan = str(pair.fast.plan)
    assert plan.count("(images are rows, on AMX") == 6
    assert plan.count("pixels of all images are rows, on AMX") == 1
    assert plan.count("a product over pixels, on AMX") == 1
    pair.check_predict(21)


@needs_amx
@pytest.mark.parametrize("activation", ["gelu", "tanh", None])
def test_dense_layers_in_a_row_agree_with_numpy(twins, activation):
    net = pl.Sequential(
        [
            layers.Input((11, 11, 1)),
            layers.Flatten(),  # 121 numbers, which lie as 128
            layers.Dense(320, activation=activation, bias=False),
            layers.Dense(120, activation=activation),
            layers.Dense(8),
        ]
    )
    optimizer = pl.SGD(0.01, momentum=0.9, clip_norm=1.0)
    pair = twins(net, loss=pl.CrossEntropy(), optimizer=optimizer, threads=2)
    assert "on AMX" in str(pair.fast.plan)
    for count in (70, 45, 97):  # the memory grows, and a batch need not fill it
        labels = np.random.default_rng(count).integers(0, 8, count)
        weight = np.random.default_rng(1).uniform(0.5, 2.0, count).astype(np.float32)
        pair.check_forward(count)
        pair.check_vjp(count)
        pair.check_learning(labels, sample_weight=weight)
    pair.check_steps(labels, steps=5)


@needs_amx
def test_the_same_bits_come_twice():
    rng = np.random.default_rng(1)
    images = rng.normal(size=(64, 14, 14, 32)).astype(np.float32)
    labels = rng.integers(0, 10, 64)
    ends = []
    for _ in range(2):
        session = made(threads=2)
        for _ in range(3):
            session.train_step(images, labels, learning_rate=1e-3)
        ends.append(session.state())
    for name, array in ends[0].items():
        assert np.array_equal(array, ends[1][name]), name


@pytest.mark.parametrize("kind", [pl.Adam, pl.RMSprop])
def test_padding_stays_zero_though_epsilon_be_zero(kind):
    net = pl.Sequential(
        [layers.Input((20,)), layers.Dense(20, activation="gelu"), layers.Dense(3)]
    )
    model = pl.Model(net, loss="cross_entropy", optimizer=kind(1e-3, epsilon=0.0))
    x = np.random.default_rng(0).normal(size=(8, 20)).astype(np.float32)
    for _ in range(3):
        model.train_step(x, np.arange(8) % 3)
    assert np.isfinite(model.predict(x)).all()


@needs_amx
def test_it_is_no_less_exact_than_vectors():
    rng = np.random.default_rng(1)
    images = rng.normal(size=(64, 14, 14, 32)).astype(np.float32)
    state = engines.state.initial_state(network(), seed=0, dtype="float64")
    exact = engines.make("numpy").build(network(), state=state, dtype="float64")
    wanted = exact.predict(images.astype(np.float64))
    errors = {
        amx: np.abs(made(amx=amx).predict(images) - wanted).max()
        for amx in (True, False)
    }
    assert errors[True] <= 1.5 * errors[False]


def test_it_can_be_switched_off():
    session = made(amx=False)
    assert "AMX" not in str(session.plan)


def test_a_process_that_may_not_use_tiles_goes_without(monkeypatch):
    monkeypatch.setattr(cpu, "_may_use_tiles", lambda: False)
    assert not cpu._native.__wrapped__().has_amx


def test_fewer_lanes_go_without():
    for lanes in cpu.FORCED:
        if lanes < cpu.target().lanes:
            assert not cpu.target(lanes).has_amx
