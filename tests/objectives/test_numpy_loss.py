"""Losses of NumPy functions: on numpy and called back, in files by their name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.objectives import numpy_loss

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((10, 3, 2, 2), dtype=np.float32)
TARGETS = RANDOM.random((10, 3, 2, 3), dtype=np.float32)


def quartic(output: Any, target: Any) -> Any:
    return ((output - target) ** 4).mean(axis=(1, 2, 3))


def quartic_gradient(output: Any, target: Any) -> Any:
    return 4 * (output - target) ** 3 / output[0].size


def model(loss: Any, engine: str) -> pl.Model:
    image = pl.Input(3, 2, 2)
    network = pl.Network(inputs=image, outputs=pl.Conv2D(3, kernel_size=1)(image))
    return pl.Model(network, engine=engine, loss=loss, optimizer="sgd")


def test_compiled_calls_back_what_numpy_computes_and_says_so() -> None:
    loss = pl.NumpyLoss(quartic, quartic_gradient)
    traced = pl.TracedLoss(lambda output, target: (output - target) ** 4)
    models = [model(loss, "numpy"), model(loss, "compiled"), model(traced, "compiled")]
    how: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}
    weight = np.arange(10) % 3
    first, *others = (
        m.fit((IMAGES, TARGETS), sample_weight=weight, **how)["loss"] for m in models
    )
    for losses in others:
        assert losses == pytest.approx(first, rel=1e-5)
    assert "loss quartic" in str(models[1].session.plan)
    assert "called back: NumPy functions" in str(models[1].session.plan)
    assert "called back" not in str(models[2].session.plan)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_what_a_function_raises_comes_out_and_no_weight_changes(engine: str) -> None:
    def broken(output: Any, target: Any) -> Any:
        raise ZeroDivisionError("mine")

    for function, gradient, error, message in (
        (broken, broken, ZeroDivisionError, "mine"),
        (lambda o, t: o, broken, pl.NetworkError, "function must return one number"),
        (quartic, quartic, pl.NetworkError, "gradient must return an array of"),
    ):
        one = model(pl.NumpyLoss(function, gradient, title="broken"), engine)
        before = one.state()
        with pytest.raises(error, match=message):
            one.train_step(IMAGES, TARGETS)
        for name, array in one.state().items():
            np.testing.assert_array_equal(array, before[name])
        assert one.predict(IMAGES).shape == TARGETS.shape


def test_a_file_holds_its_name_and_predicts_without_it(tmp_path: Path) -> None:
    loss = pl.NumpyLoss(quartic, quartic_gradient, title="held")
    made = model(loss, "numpy")
    made.save(tmp_path / "m.pellucid")
    assert pl.load(tmp_path / "m.pellucid", engine="numpy").loss is loss
    del numpy_loss._REGISTERED["held"]
    later = pl.load(tmp_path / "m.pellucid", engine="numpy")
    np.testing.assert_array_equal(later.predict(IMAGES), made.predict(IMAGES))
    with pytest.raises(pl.NetworkError, match="'held': must be made before it is"):
        later.train_step(IMAGES, TARGETS, learning_rate=0.1)
    other = pl.load(tmp_path / "m.pellucid", engine="numpy", loss="mse")
    assert other.loss == pl.MeanSquaredError()


def test_a_softmax_is_handed_over_as_logits_that_training_and_evaluation_share() -> (
    None
):
    def first_logit(output: Any, target: Any) -> Any:
        return output[:, 0]

    def slope(output: Any, target: Any) -> Any:
        return np.eye(1, output.shape[1], dtype=output.dtype).repeat(len(output), 0)

    loss = pl.NumpyLoss(first_logit, slope, labels="classes", logits_of="Softmax")
    net = pl.Sequential(pl.Input(4), pl.Dense(3, activation="softmax"))
    made = pl.Model(net, engine="numpy", loss=loss, optimizer="sgd")
    x = RANDOM.random((6, 4), dtype=np.float32)
    before = made.evaluate((x, np.arange(6) % 3))["loss"]
    logits = made.session.activations(x)["dense"][:, 0]
    assert before == pytest.approx(logits.mean(), rel=1e-5)
