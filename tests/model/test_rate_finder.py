"""Learning-rate finder: the curve, the suggestion, and that the model stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(60, 4)).astype(np.float32)
LABELS = (IMAGES[:, 0] > 0).astype(int)


def model(**given: Any) -> pl.Model:
    network = pl.Sequential(pl.Input(4), pl.Dense(8, activation="relu"), pl.Dense(2))
    arguments = {"engine": "numpy", "loss": "cross_entropy", "optimizer": "sgd"}
    return pl.Model(network, **(arguments | given))


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_rate_is_found_and_the_model_stays(engine: str) -> None:
    m = model(engine=engine)
    before = m.state()
    found = pl.find_learning_rate(m, (IMAGES, LABELS), batch_size=20, most=1e4)
    assert len(found.rates) == len(found.losses) == len(found.smoothed)
    assert found.rates[0] == 1e-6
    assert len(found.rates) < 100  # it ended early
    ratios = np.divide(found.rates[1:], found.rates[:-1])
    np.testing.assert_allclose(ratios, 1e10 ** (1 / 99))
    assert 1e-2 < found.suggestion < 10
    assert found.steepest <= found.lowest
    after = m.state()
    assert all(np.array_equal(before[k], after[k]) for k in before)
    m.fit(
        (IMAGES, LABELS),
        epochs=20,
        batch_size=20,
        schedule=lambda epoch: found.suggestion,
        progress=False,
    )
    assert m.evaluate((IMAGES, LABELS))["accuracy"] > 0.9


def test_the_smoothed_loss_is_an_average_corrected_for_its_start() -> None:
    found = pl.find_learning_rate(model(), (IMAGES, LABELS), steps=10, most=1e-5)
    running = 0.0
    for i, (loss, smoothed) in enumerate(
        zip(found.losses, found.smoothed, strict=True)
    ):
        running = 0.9 * running + 0.1 * loss
        assert smoothed == pytest.approx(running / (1 - 0.9 ** (i + 1)))


def test_it_draws_and_says_what_it_found() -> None:
    found = pl.find_learning_rate(model(), (IMAGES, LABELS), steps=20)
    figure = found.picture()
    assert figure.axes[0].get_xscale() == "log"
    assert f"{found.suggestion:.2g}" in str(found)
    assert "suggested learning rate" in found._repr_html_()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"least": 1.0, "most": 0.1}, "rates must grow from least above 0 to most"),
        ({"least": 0.0}, "rates must grow"),
        ({"steps": 9}, "steps must be at least 10"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(given: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        pl.find_learning_rate(model(), (IMAGES, LABELS), **given)


def test_a_model_without_an_optimizer_is_refused() -> None:
    with pytest.raises(pl.PellucidError, match="optimizer"):
        pl.find_learning_rate(model(optimizer=None), (IMAGES, LABELS))


def test_a_rate_is_found_for_several_outputs() -> None:
    x = pl.Input(4)
    outputs = [pl.Dense(2, name="kind")(x), pl.Dense(1, name="place")(x)]
    m = pl.Model(
        pl.Network(inputs=x, outputs=outputs),
        engine="numpy",
        loss={"kind": "cross_entropy", "place": "mse"},
        optimizer="sgd",
    )
    data = (IMAGES, {"kind": LABELS, "place": IMAGES[:, :1]})
    found = pl.find_learning_rate(m, data, batch_size=20, most=1e4)
    assert 1e-3 < found.suggestion < 10
