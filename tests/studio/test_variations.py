"""Runs beside a training that differ in one thing."""

from __future__ import annotations

import numpy as np
import pytest
from serving_models import small_model

import pellucid as pl
from pellucid.errors import PellucidError
from pellucid.network.head import find_head
from pellucid.network.layers import Dense, Dropout, ReLU
from pellucid.recipes import read, train
from pellucid.recipes.builders import build_model, build_network
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
    assert VARIATIONS["batch-eighth"].recipe(recipe).batch_size == 8
    assert VARIATIONS["augmentation"].recipe(recipe).augment == {"shift": 2}
    assert VARIATIONS["other-seed"].recipe(recipe).seed == recipe.seed + 1


def test_initial_weights_are_scaled():
    recipe = read("xor-one-hidden")
    usual, small = build_model(recipe, "numpy"), build_model(recipe, "numpy")
    VARIATIONS["small"].begin(small)
    for name, weight in small.weights.items():
        np.testing.assert_allclose(weight, usual.weights[name] / 10, rtol=1e-6)
    VARIATIONS["zeros"].begin(small)
    assert not any(np.any(weight) for weight in small.weights.values())


@pytest.mark.parametrize("name", ["xor-one-hidden", "mnist-torch", "resnet20"])
def test_layers_are_put_before_the_last_one(name):
    recipe = read(name)
    network = build_network(recipe)
    head = find_head(network)
    for variation, layers in (("dropout", [Dropout]), ("deeper", [Dense, ReLU])):
        changed = build_network(VARIATIONS[variation].recipe(recipe))
        added = [n for n in changed.nodes if n.name.startswith("one_more")]
        assert [type(node.layer) for node in added] == layers
        assert changed.node(head.name).inputs == (added[-1].name,)
        assert added[0].inputs == head.inputs
        assert changed.shapes[added[-1].name] == network.shapes[head.inputs[0]]
        assert len(changed.nodes) == len(network.nodes) + len(layers)


def test_a_variation_of_a_network_without_a_last_layer_is_refused():
    network = pl.Sequential(pl.Input(8, 8, 1), pl.GlobalAvgPool2D())
    wish = TrainingRequest(network=pl.network.to_json(network), beside=["deeper"])
    with pytest.raises(PellucidError, match="must"):
        wish.recipe()


def xor_wish(epochs: int, **more: object) -> TrainingRequest:
    """Ask for a training of the classic network."""
    return TrainingRequest(
        network="xor-one-hidden",
        data="xor",
        engines=["numpy"],
        optimizer="sgd",
        learning_rate=0.5,
        epochs=epochs,
        images=4,
        batch_size=4,
        **more,
    )


def test_variations_train_beside_the_run():
    wish = xor_wish(300, beside=["rate-times-10", "zeros"])
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


def test_a_training_follows_its_recipe(monkeypatch):
    read_recipe = read("xor-one-hidden").model_copy(
        update={
            "schedule": {"name": "step", "every": 1, "gamma": 0.5},
            "clip_norm": 0.1,
            "accumulate": 2,
        }
    )
    monkeypatch.setattr("pellucid.studio.live_training.read", lambda name: read_recipe)
    wish = xor_wish(3)
    shared = SharedModel(small_model(), "x")
    training = LiveTraining(wish, shared, wish.recipe())
    (lane,) = training.lanes
    lane.thread.join(60)
    assert (lane.status, lane.error, lane.rate) == ("finished", "", 0.125)
    expected = train(wish.recipe(), engine="numpy", progress=False).model.weights
    for name, weight in shared.model.weights.items():
        np.testing.assert_array_equal(weight, expected[name])
