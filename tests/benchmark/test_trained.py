"""Weights that have seen some epochs: trained once, kept, read again."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.benchmark import Setting, trained
from pellucid.benchmark.networks import get_network
from pellucid.errors import EngineError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_training_moves_the_weights(monkeypatch):
    images, test = pl.data.load("mnist")
    few = pl.Dataset(images.images[:256], images.labels[:256], images.classes)
    monkeypatch.setattr(trained, "load", lambda name: (few, test))
    network = get_network("lenet5")
    model = trained.train(network, epochs=1, seed=3)
    initial = pl.Model(network, engine="numpy", seed=3).weights
    assert all(np.abs(model.weights[k] - initial[k]).max() > 0 for k in initial)


def test_what_is_kept_is_not_trained_again():
    network = get_network("lenet5")
    path = trained.weights_path(network, epochs=2, seed=0)
    path.parent.mkdir(parents=True)
    pl.Model(network, engine="numpy", seed=9).save(path)
    assert trained.weights_file(network, epochs=2, seed=0) == path
    case = Setting().make_case("lenet5", 8, 2)
    assert case.weights == str(path)
    assert case.name == "lenet5, batch 8, 2 epochs"


def test_another_seed_length_or_network_is_another_file():
    network = get_network("lenet5")
    paths = {
        trained.weights_path(network, epochs=1, seed=0),
        trained.weights_path(network, epochs=1, seed=1),
        trained.weights_path(network, epochs=2, seed=0),
        trained.weights_path(get_network("mnist-torch"), epochs=1, seed=0),
        trained.weights_path(
            network.with_settings({"dense.units": 7}), epochs=1, seed=0
        ),
    }
    assert len(paths) == 5


def test_a_network_that_cannot_learn_digits_is_told():
    network = pl.Sequential(
        pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(3), name="three"
    )
    with pytest.raises(EngineError, match=r"'three' must train for 1 epochs first"):
        trained.weights_file(network, epochs=1, seed=0)
    assert not trained.weights_path(network, epochs=1, seed=0).exists()
