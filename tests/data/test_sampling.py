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


def test_one_output_of_several_is_balanced() -> None:
    from pellucid.data.sampling import several_sampling_weights

    labels = {"kind": LABELS, "place": np.zeros((100, 2))}
    assert np.array_equal(
        several_sampling_weights({"kind": "balanced"}, labels),
        sampling_weights("balanced", LABELS),
    )
    only = several_sampling_weights("balanced", {"kind": LABELS})
    assert np.array_equal(only, sampling_weights("balanced", LABELS))
    each = several_sampling_weights(np.arange(100), labels)
    assert each is not None
    assert each[-1] == 99 / np.arange(100).sum()
    assert several_sampling_weights(None, labels) is None
    for sampler, message in (
        ("balanced", "must name the output whose classes are balanced, as {'kind'"),
        ({"size": "balanced"}, "must name one output with labels, which are kind, pl"),
        ({"kind": [1.0] * 100}, "sampler of 'kind' must be 'balanced'"),
    ):
        with pytest.raises(pl.DataError, match=message):
            several_sampling_weights(sampler, labels)


def test_fit_of_several_outputs_draws_by_the_weights() -> None:
    x = pl.Input(1)
    heads = [pl.Dense(2, name="kind")(x), pl.Dense(1, name="place")(x)]
    m = pl.Model(
        pl.Network(inputs=x, outputs=heads),
        engine="numpy",
        loss={"kind": "cross_entropy", "place": "mse"},
        optimizer=pl.SGD(0.0),
    )
    seen: list[int] = []

    class Watch(pl.Callback):
        def on_begin(self, trainer: Any) -> None:
            seen.extend(trainer.train.order(0).tolist())

    images, kinds = np.arange(40, dtype=np.float32)[:, None], np.arange(40) == 7
    m.fit(
        (images, (kinds.astype(int), images)),
        sampler={"kind": "balanced"},
        callbacks=[Watch()],
        progress=False,
    )
    assert 10 < seen.count(7) < 30  # half of 40
