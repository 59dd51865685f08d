"""Metrics and callbacks that are plain functions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import pellucid as pl

IMAGES = np.random.default_rng(0).random((20, 4)).astype(np.float32)
LABELS = np.arange(20) % 2


def model(engine: str = "numpy", rate: float = 0.0) -> pl.Model:
    network = pl.Sequential(pl.Input(4), pl.Dense(2))
    optimizer = pl.SGD(rate)
    return pl.Model(network, engine=engine, loss="cross_entropy", optimizer=optimizer)


def fit(m: pl.Model | None = None, **given: Any) -> pl.History:
    return (m or model()).fit((IMAGES, LABELS), batch_size=8, progress=False, **given)


def mean_logit(output: Any, target: Any) -> float:
    return float(output[np.arange(len(target)), target].mean())


def test_a_metric_function_is_averaged_by_the_number_of_examples() -> None:
    m = model()
    z = m.predict(IMAGES)
    right = z[np.arange(20), LABELS].mean()
    history = fit(m, metrics=["accuracy", mean_logit], validation_data=(IMAGES, LABELS))
    assert history["mean_logit"][0] == pytest.approx(right, rel=1e-5)
    assert history["val_mean_logit"][0] == pytest.approx(right, rel=1e-5)
    # batches of 8, 8 and 4: the last one counts half as much
    found = m.evaluate((IMAGES, LABELS), metrics=mean_logit, batch_size=8)
    assert found["mean_logit"] == pytest.approx(right, rel=1e-5)


def test_a_metric_function_may_give_a_number_for_each_example() -> None:
    def logits(output: Any, target: Any) -> Any:
        return output[np.arange(len(target)), target]

    m = model()
    assert fit(m, metrics=logits)["logits"] == fit(m, metrics=[mean_logit])[
        "mean_logit"
    ] or fit(m, metrics=logits)["logits"] == pytest.approx(
        fit(m, metrics=[mean_logit])["mean_logit"], rel=1e-5
    )


def test_metrics_of_other_kinds() -> None:
    class Half:
        def __call__(self, output: Any, target: Any) -> float:
            return 0.5

    def above(limit: float, output: Any, target: Any) -> Any:
        return (output > limit).mean()

    history = fit(metrics=[Half(), functools.partial(above, 0.0)])
    assert history["Half"] == [0.5]
    assert "above" in history[0]
    assert fit(metrics="accuracy")["accuracy"]


def test_early_stopping_watches_a_metric_function() -> None:
    history = fit(
        epochs=9,
        metrics=[mean_logit],
        early_stopping=pl.EarlyStopping(monitor="mean_logit", patience=2),
    )
    assert len(history) < 9


def loss(output: Any, target: Any) -> float:
    return 0.0


def accuracy(output: Any, target: Any) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([loss], "must not have the name of another figure"),
        ([accuracy], "names must be distinct; got 'accuracy' twice"),
        ([mean_logit, mean_logit], "names must be distinct"),
        (["accuracy", "accuracy"], "names must be distinct"),
        ([lambda o, t: float("nan")], "must return finite numbers"),
        ([lambda o, t: None], "must return one number"),
        ([lambda o, t: np.zeros((len(o), 2))], "must return one number"),
        ([lambda o, t: "good"], "must return one number"),
        ([pl.Adam], "or functions of"),
        ([3], "or functions of"),
        ("sharpness", "must be among accuracy"),
    ],
)
def test_what_is_no_metric_is_refused(given: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        fit(metrics=given)


def test_a_callback_may_be_a_function() -> None:
    seen: list[Any] = []
    fit(epochs=2, callbacks=[seen.append])
    assert [record["epoch"] for record in seen] == [1, 2]
    both: list[Any] = []
    fit(callbacks=[lambda trainer, record: both.append((trainer, record))])
    assert both[0][0].position.epoch == 1
    assert both[0][1]["epoch"] == 1
    fit(callbacks=lambda *given: both.append(given))
    assert len(both[1]) == 2
    fit(callbacks=(lambda record, log=both: log.append(record)))
    assert both[2]["epoch"] == 1


def test_a_callback_function_may_end_the_training() -> None:
    history = fit(epochs=5, callbacks=[lambda trainer, record: trainer.stop("enough")])
    assert len(history) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([pl.Callback], r"got the class Callback. Write Callback\(\)"),
        ([3], "must be of Callback or functions"),
        ([lambda: None], "a callback function must take"),
        ([lambda a, b, c: None], "a callback function must take"),
        ([lambda record, *, to: None], "a callback function must take"),
    ],
)
def test_what_is_no_callback_is_refused(given: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        fit(callbacks=given)
