"""Runs beside a training that differ in one thing."""

from __future__ import annotations

import numpy as np
import pytest
from serving_models import small_model

from pellucid.errors import PellucidError
from pellucid.recipes import read
from pellucid.recipes.builders import build_model
from pellucid.studio import SharedModel
from pellucid.studio.live_training import LiveTraining, TrainingRequest
from pellucid.studio.variations import VARIATIONS


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("rate-times-10", {"learning_rate": 0.01}),
        ("rate-tenth", {"learning_rate": 0.0001}),
        ("sgd", {"name": "sgd", "learning_rate": 0.001}),
    ],
)
def test_the_optimizer_is_changed(name, settings):
    recipe = VARIATIONS[name].recipe(read("mnist-torch"))
    assert {key: recipe.optimizer[key] for key in settings} == settings


def test_batch_and_seed_are_changed():
    recipe = read("mnist-torch")
    assert VARIATIONS["batch-times-8"].recipe(recipe).batch_size == 512
    assert VARIATIONS["other-seed"].recipe(recipe).seed == recipe.seed + 1


def test_weights_begin_at_zero():
    recipe = read("xor-one-hidden")
    model = build_model(recipe, "numpy")
    VARIATIONS["zeros"].begin(model)
    assert not any(np.any(weight) for weight in model.weights.values())


def test_variations_train_beside_the_run():
    wish = TrainingRequest(
        network="xor-one-hidden",
        data="xor",
        engines=["numpy"],
        optimizer="sgd",
        learning_rate=0.5,
        epochs=300,
        images=4,
        batch_size=4,
        beside=["rate-times-10", "zeros"],
    )
    shared = SharedModel(small_model(), "x")
    training = LiveTraining(wish, shared, wish.recipe())
    for lane in training.lanes:
        lane.thread.join(60)
    run, fast, zeros = training.lanes
    assert [lane.status for lane in training.lanes] == ["finished"] * 3
    names = ["numpy", "10 × the learning rate", "zeros as initial weights"]
    assert [lane.name for lane in training.lanes] == names
    assert fast.points[-1][1] < run.points[-1][1]  # it comes further
    first, last = zeros.points[0][1], zeros.points[-1][1]
    assert last == pytest.approx(
        first, rel=1e-3
    )  # units stay alike, nothing is learned
    weights = shared.model.weights
    assert shared.title == "xor-one-hidden"
    assert any(np.any(weight) for weight in weights.values())  # the run's, not the last


def test_an_unknown_variation_is_refused():
    with pytest.raises(PellucidError, match="beside must be one of rate-times-10"):
        TrainingRequest(beside=["faster"]).recipe()
    with pytest.raises(ValueError, match="at most 3"):
        TrainingRequest(beside=["sgd"] * 4)
