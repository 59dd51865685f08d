"""Gradient accumulation: a batch in parts is the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(22, 5)).astype(np.float32)
LABELS = RANDOM.integers(0, 3, 22)


def fitted(engine: str, **given: Any) -> tuple[pl.Model, Any]:
    network = pl.Sequential(pl.Input(5), pl.Dense(6, activation="tanh"), pl.Dense(3))
    m = pl.Model(
        network, engine=engine, loss="cross_entropy", optimizer=pl.Adam(0.01, beta1=0.8)
    )
    history = m.fit((IMAGES, LABELS), epochs=2, batch_size=8, progress=False, **given)
    return m, history


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_parts_give_the_whole_batchs_update(engine: str) -> None:
    weights = RANDOM.uniform(0.1, 2, len(LABELS))
    given = {"clip_norm": 0.3, "sample_weight": weights}
    whole, first = fitted(engine, **given)
    parts, second = fitted(engine, accumulate=3, **given)
    for name, array in whole.weights.items():
        np.testing.assert_allclose(parts.weights[name], array, atol=2e-6, err_msg=name)
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-5)
    assert first["accuracy"] == second["accuracy"]
    assert int(whole.state()["step"]) == int(parts.state()["step"]) == 6


def test_statistics_of_batch_norms_move_with_each_part() -> None:
    network = pl.Sequential(pl.Input(5), pl.BatchNorm(momentum=0.5), pl.Dense(3))
    m = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd")
    m.fit(
        (IMAGES[:8], LABELS[:8]),
        batch_size=8,
        accumulate=2,
        shuffle=False,
        progress=False,
    )
    first, second = IMAGES[:4].mean(0), IMAGES[4:8].mean(0)
    expected = 0.25 * first + 0.5 * second
    np.testing.assert_allclose(
        m.weights["batch_norm.running_mean"], expected, atol=1e-6
    )


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(pl.NetworkError, match="accumulate must be an int of at least"):
        fitted("numpy", accumulate=0)
