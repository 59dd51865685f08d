"""Sampling with replacement: balance, weights, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.data import Batches, Dataset, sampling_weights

LABELS = np.array([0] * 90 + [1] * 10)


def test_balanced_draws_each_class_as_often() -> None:
    weights = sampling_weights("balanced", LABELS)
    assert weights is not None
    assert weights[LABELS == 0].sum() == pytest.approx(0.5)
    assert weights[LABELS == 1].sum() == pytest.approx(0.5)
    one_hot = sampling_weights("balanced", np.eye(2)[LABELS])
    assert np.array_equal(weights, one_hot)
    data = Dataset(np.zeros((100, 2, 2, 1), np.uint8), LABELS)
    batches = Batches(data, batch_size=10, seed=3, weights=weights)
    drawn = np.concatenate([LABELS[batches.order(n)] for n in range(20)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(batches.order(2), batches.order(2))
    assert not np.array_equal(batches.order(2), batches.order(3))


def test_fit_draws_by_the_weights() -> None:
    images = np.arange(8, dtype=np.float32)[:, None]
    network = pl.Sequential(pl.Input(1), pl.Dense(2))
    m = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer=pl.SGD(0.0))
    seen: list[float] = []

    class Watch(pl.Callback):
        def on_begin(self, trainer: Any) -> None:
            seen.extend(trainer.train.order(0).tolist())

    weights = [0, 0, 0, 1, 0, 0, 3, 0]
    m.fit(
        (images, np.arange(8) % 2),
        sampler=weights,
        callbacks=[Watch()],
        progress=False,
    )
    assert set(seen) == {3, 6}


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ("even", "sampler must be 'balanced'"),
        ([1.0, 2.0], "one for each training example"),
        (np.full(100, -1.0), "finite numbers of at least 0"),
        (np.zeros(100), "one of them above 0"),
        (np.full(100, np.nan), "finite numbers of at least 0"),
    ],
)
def test_bad_samplers_are_refused(sampler: Any, message: str) -> None:
    with pytest.raises(pl.DataError, match=message):
        sampling_weights(sampler, LABELS)


def test_values_have_no_balance() -> None:
    with pytest.raises(pl.DataError, match="must have one class for each example"):
        sampling_weights("balanced", np.linspace(0, 1, 9))
