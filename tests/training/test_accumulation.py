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


def _several(engine: str, **given: Any) -> tuple[pl.Model, Any]:
    from oracles.several_ports import on_the_way

    network = on_the_way()
    images = np.random.default_rng(1).normal(size=(9, 6, 6, 2)).astype(np.float32)
    middle = np.random.default_rng(2).random((9, 4, 4, 2)).astype(np.float32)
    m = pl.Model(
        network,
        engine=engine,
        loss={"last": "cross_entropy", "middle_sigmoid": "binary_cross_entropy"},
        loss_weights={"middle_sigmoid": 0.3},
        optimizer=pl.Adam(0.01),
    )
    labels = {"last": np.arange(9) % 2, "middle_sigmoid": middle.round()}
    history = m.fit((images, labels), epochs=2, batch_size=6, progress=False, **given)
    return m, history


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_parts_of_several_outputs_give_the_whole_batchs_update(engine: str) -> None:
    given = {"sample_weight": np.linspace(0.2, 2, 9), "clip_norm": 0.5}
    whole, first = _several(engine, **given)
    parts, second = _several(engine, accumulate=4, **given)
    for name, array in whole.weights.items():
        np.testing.assert_allclose(parts.weights[name], array, atol=2e-6, err_msg=name)
    assert list(first[-1]) == list(second[-1])
    for name in first[-1].keys() - {"epoch", "seconds"}:
        assert first[name] == pytest.approx(second[name], rel=2e-5), name


def test_parts_of_several_outputs_weigh_alike() -> None:
    by_output = {"last": np.linspace(0.2, 2, 9)}
    with pytest.raises(pl.DataError, match="accumulate must be 1 where an example"):
        _several("numpy", accumulate=2, sample_weight=by_output)
    network = pl.Network(
        inputs=(x := pl.Input(5)),
        outputs=[pl.Dense(2, name="a")(x), pl.Dense(2, name="b")(x)],
    )
    loss = {"a": "mse", "b": "half_squared_error_sum"}
    m = pl.Model(network, engine="numpy", loss=loss, optimizer="sgd")
    zeros = np.zeros((22, 2))
    with pytest.raises(pl.DataError, match="half_squared_error_sum of 'b'"):
        m.fit((IMAGES, (zeros, zeros)), accumulate=2, progress=False)


def test_a_stream_is_accumulated_too() -> None:
    batches = [(IMAGES[i : i + 8], LABELS[i : i + 8]) for i in (0, 8)]
    trained = []
    for parts in (1, 3):
        network = pl.Sequential(pl.Input(5), pl.Dense(3))
        m = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd")
        m.fit(batches, accumulate=parts, progress=False)
        trained.append(m.weights["dense.weight"])
    np.testing.assert_allclose(*trained, atol=1e-6)
