"""Schedules while training: composed ones, functions, and several calls of fit."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.objectives import Progress, Schedule, as_schedule

IMAGES = np.zeros((32, 3), np.float32)  # nothing to learn: the loss stands still
LABELS = np.arange(32) % 2


def rates(schedule: Any, epochs: int = 8, **given: Any) -> list[float]:
    network = pl.Sequential(pl.Input(3), pl.Dense(2))
    m = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer=pl.SGD(1e-3))
    history = m.fit(
        (IMAGES, LABELS),
        epochs=epochs,
        batch_size=16,
        schedule=schedule,
        progress=False,
        **given,
    )
    return history["learning_rate"]


class Product(Schedule):
    """A composition of a user's own."""

    name = "product"

    def __init__(self, *parts: Schedule) -> None:
        object.__setattr__(self, "parts", parts)

    def factor(self, at: Progress) -> float:
        return float(np.prod([part.factor(at) for part in self.parts]))


PLATEAU = pl.OnPlateau(patience=1)


@pytest.mark.parametrize(
    "composed",
    [
        pl.WarmUp(steps=2, then=PLATEAU),
        pl.WarmUp(steps=1, then=pl.WarmUp(steps=2, then=PLATEAU)),
        Product(pl.ConstantRate(), PLATEAU),
        Product(pl.WarmUp(steps=2), pl.WarmUp(steps=1, then=PLATEAU)),
    ],
    ids=["warm-up", "twice", "product", "both"],
)
def test_a_plateau_is_seen_wherever_it_stands(composed: Schedule) -> None:
    alone = rates(PLATEAU)
    assert alone[-1] < 0.1 * alone[0]
    assert rates(composed) == pytest.approx(alone)


def test_two_plateaus_drop_each_in_its_own_time() -> None:
    other = pl.OnPlateau(patience=3, gamma=0.1)
    both = rates(Product(PLATEAU, other))
    expected = np.array(rates(PLATEAU)) * rates(other) / 1e-3
    assert both == pytest.approx(expected.tolist())


def test_a_plateau_within_a_warm_up_resumes_alike(tmp_path: Any) -> None:
    schedule = pl.WarmUp(steps=2, then=PLATEAU)
    rates(schedule, 4, run=tmp_path / "run")
    resumed = rates(schedule, 8, run=tmp_path / "run", resume=True)
    assert resumed == rates(schedule, 8)


def test_a_function_of_the_epoch_gives_the_rate() -> None:
    asked = []

    def halve(epoch: int) -> float:
        asked.append(epoch)
        return float(0.1 * 0.5**epoch)

    assert rates(halve, 3) == [0.1, 0.05, 0.025]
    assert asked == [0, 1, 2]


def test_a_function_of_epoch_and_rate_goes_on_from_the_last_rate(
    tmp_path: Any,
) -> None:
    def warm_then_fall(epoch: int, lr: float) -> float:
        return lr if epoch < 2 else lr * 0.5

    assert rates(warm_then_fall, 4) == [1e-3, 1e-3, 5e-4, 2.5e-4]
    rates(warm_then_fall, 3, run=tmp_path / "run")
    resumed = rates(warm_then_fall, 4, run=tmp_path / "run", resume=True)
    assert resumed == [1e-3, 1e-3, 5e-4, 2.5e-4]


def test_a_function_of_the_step_is_asked_before_each_update() -> None:
    assert rates(lambda step: 1.0 / (1 + step), 2) == [1 / 2, 1 / 4]


def test_functions_of_other_kinds() -> None:
    class Callable:
        def __call__(self, epoch: int) -> float:
            return 0.25

    def scaled(factor: float, epoch: int) -> float:
        return factor * (epoch + 1)

    assert rates(Callable(), 1) == [0.25]
    assert rates(functools.partial(scaled, 0.5), 2) == [0.5, 1.0]
    assert rates(lambda epoch, decay=0.5: decay**epoch, 2) == [1.0, 0.5]
    assert rates(lambda *given: given[0] + 1, 2) == [1.0, 2.0]
    warmed = rates(pl.WarmUp(steps=4, then=lambda epoch: 0.5), 3)
    assert warmed == pytest.approx([0.25, 0.5, 0.5])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: 0.1, r"must take \(epoch\), \(epoch, rate\) or \(step\); got \(\)"),
        (lambda a, b, c: 0.1, "must take"),
        (lambda epoch, *, by: 0.1, "must take"),
        (lambda epoch: None, "must return a learning rate"),
        (lambda epoch: float("nan"), "must return a learning rate"),
        (lambda epoch: -0.1, "must return a learning rate"),
        (pl.Cosine, "a Schedule or a function of the epoch"),
        (0.1, "a Schedule or a function of the epoch"),
        ([], "a Schedule or a function of the epoch"),
    ],
)
def test_what_is_no_schedule_is_refused(given: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        rates(given, 1)


def test_names_stand_for_schedules_inside_others_too() -> None:
    assert pl.WarmUp(then="cosine").then == pl.Cosine()  # type: ignore[arg-type]
    assert as_schedule(None) == pl.ConstantRate()


# -- several calls of fit ----------------------------------------------------------


def blobs() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (30, 6, 6, 1), np.uint8)
    return images, random.integers(0, 3, 30)


def learner(engine: str = "numpy", dropout: float = 0.3) -> pl.Model:
    network = pl.Sequential(
        pl.Input(6, 6, 1), pl.Flatten(), pl.Dropout(dropout), pl.Dense(3)
    )
    given: dict[str, Any] = {"loss": "cross_entropy", "optimizer": pl.Adam(0.01)}
    return pl.Model(network, engine=engine, seed=2, **given)


HOW: dict[str, Any] = {
    "batch_size": 8,
    "augment": pl.Augment(shift=2),
    "validation_split": 0.2,
    "class_weight": "balanced",
    "progress": False,
}


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("parts", [(1, 1, 1), (2, 1), (1, 0, 2)])
def test_epochs_in_several_calls_are_those_of_one(
    parts: tuple[int, ...], engine: str
) -> None:
    once, often = learner(engine), learner(engine)
    whole = once.fit(blobs(), epochs=3, **HOW)
    losses = [
        loss for n in parts for loss in often.fit(blobs(), epochs=n, **HOW)["loss"]
    ]
    assert losses == whole["loss"]
    for name, array in once.weights.items():
        np.testing.assert_array_equal(array, often.weights[name])


def test_copies_and_files_keep_the_number_of_epochs(tmp_path: Any) -> None:
    once = learner(dropout=0.0)
    once.fit(blobs(), epochs=2, **HOW)
    first = learner(dropout=0.0)
    first.fit(blobs(), epochs=1, **HOW)
    moved = first.to("numpy")
    moved.fit(blobs(), epochs=1, **HOW)
    np.testing.assert_array_equal(
        once.weights["dense.weight"], moved.weights["dense.weight"]
    )
    first.save(tmp_path / "m.pellucid")
    loaded = pl.load(tmp_path / "m.pellucid", engine="numpy")
    assert (first.epochs, loaded.epochs) == (1, 1)


def test_a_run_goes_on_from_the_epochs_before_it(tmp_path: Any) -> None:
    class Cut(pl.Callback):
        def on_step(self, trainer: Any, loss: float) -> None:
            if trainer.position.step == 4:
                raise KeyboardInterrupt

    once, cut, resumed = learner(), learner(), learner()
    once.fit(blobs(), epochs=3, **HOW)
    cut.fit(blobs(), epochs=1, **HOW)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(blobs(), epochs=2, run=tmp_path / "r", callbacks=[Cut()], **HOW)
    resumed.fit(blobs(), epochs=2, run=tmp_path / "r", resume=True, **HOW)
    np.testing.assert_array_equal(
        once.weights["dense.weight"], resumed.weights["dense.weight"]
    )
    assert resumed.epochs == 3


def test_an_epoch_that_was_ended_is_not_begun_again() -> None:
    class Stop(pl.Callback):
        def on_step(self, trainer: Any, loss: float) -> None:
            trainer.stop("enough")

    m = learner()
    m.fit(blobs(), callbacks=[Stop()], **HOW)
    assert m.epochs == 1
