"""This file is the engine on AMX tiles, whole: against numpy, and switched off."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import engines
from pellucid.engines.compiled import cpu
from pellucid.network import Network, layers

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
@pytest.mark.parametrize("count", [24, 33, 64])
def test_it_agrees_with_numpy(twins, count):
    labels = np.random.default_rng(0).integers(0, 10, count)
    pair = twins(network(), loss=pl.CrossEntropy(), optimizer=pl.Adam(1e-3))
    assert str(pair.fast.plan).count("on AMX") == 5
    pair.check_forward(count)
    pair.check_vjp(count)
    pair.check_learning(labels)
    pair.check_steps(labels, steps=5, rate=1e-3)


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
