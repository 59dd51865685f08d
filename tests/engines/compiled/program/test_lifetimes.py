"""Gradients share memory where they do not live together, and stay what they were."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines.compiled.program import lifetimes


@pytest.fixture
def network():
    """Return a network with a barrier after each convolution, and halos."""
    x = image = pl.Input(6, 6, 3)
    for stride in (1, 1, 1, 2, 1, 1):
        y = pl.Conv2D(4, 3, padding=1, stride=stride)(x)
        x = pl.ReLU()(pl.BatchNorm()(y))
    x = pl.Dense(3)(pl.GlobalAvgPool2D()(x))
    return pl.Network(inputs=image, outputs=x)


def trained(network, engine):
    model = pl.Model(
        network, engine=engine, loss="cross_entropy", optimizer=pl.SGD(0.1)
    )
    draws = np.random.default_rng(0)
    for count in (5, 2, 7):
        images = draws.standard_normal((count, 6, 6, 3)).astype(np.float32)
        model.train_step(images, np.arange(count) % 3)
    return model


def test_gradients_share_memory_and_stay_the_same(network, monkeypatch):
    engine = pl.engines.compiled(threads=2, tiny=False)
    shared = trained(network, engine)
    assert shared.plan.hosts
    monkeypatch.setattr(lifetimes, "hosts", lambda low: {})
    alone = trained(network, engine)
    assert shared.plan.bytes < alone.plan.bytes
    for name, weight in alone.weights.items():
        np.testing.assert_array_equal(shared.weights[name], weight, err_msg=name)


def test_nothing_shares_memory_with_what_lives_meanwhile(network):
    program = trained(network, pl.engines.compiled(threads=1)).plan
    lives = lifetimes._lives(program.low)
    places: dict[object, list[tuple[int, int]]] = {}
    for guest, host in program.hosts.items():
        places.setdefault(host, [lives[host]]).append(lives[guest])
    for spans in places.values():
        spans.sort()
        for (_, last), (first, _) in itertools.pairwise(spans):
            assert last < first


def test_the_plan_prints_its_peak(network):
    program = trained(network, pl.engines.compiled(threads=1)).plan
    assert f"peak bytes, 7 image(s), 1 chunk(s): {program.bytes:,}" in str(program)
    fresh = pl.Model(network, loss="cross_entropy", optimizer=pl.SGD(0.1))
    assert "peak bytes" not in str(fresh.plan)
