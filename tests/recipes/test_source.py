"""Where recipes come from."""

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid import recipes
from pellucid.network import ZOO, dumps
from pellucid.recipes.builders import (
    build_augment,
    build_fit_config,
    build_model,
    build_network,
    build_view,
)
from pellucid.training.test_time import TestTimeSession


def test_each_network_of_the_zoo_has_a_recipe():
    others = {"cifar10-fast", "cifar10-residual", "mnist-cosine"}
    assert set(recipes.names()) == {*ZOO, *others}


@pytest.mark.parametrize("name", sorted(ZOO))
def test_a_built_in_recipe_makes_its_model(name):
    recipe = recipes.read(name)
    model = build_model(recipe, engine="numpy")
    assert model.network == build_network(recipe) == pl.zoo(name)
    assert model.optimizer is not None


def test_the_recipes_are_as_the_papers_and_tutorials_have_them():
    torch, xor, resnet = (
        recipes.read(name) for name in ("mnist-torch", "xor-two-hidden", "resnet20")
    )
    assert (torch.epochs, torch.batch_size) == (5, 64)
    assert torch.optimizer == {"name": "adam", "learning_rate": 1e-3}
    assert (xor.epochs, xor.dtype, xor.engine, xor.shuffle) == (
        10_000,
        "float64",
        "numpy",
        False,
    )
    assert build_model(resnet, engine="numpy").optimizer == pl.SGD(
        0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    assert build_augment(resnet) == pl.Augment(flip=True, crop=4)


def test_the_recipe_of_cifar10_whitens_averages_and_looks_twice():
    recipe = recipes.read("cifar10-fast")
    model = build_model(recipe, engine="numpy")
    config = build_fit_config(recipe)
    assert config.average == pl.Lookahead(every=5, rate=1.0, last_rate=0.226)
    assert config.augment == pl.Augment(shift=2, reflect=True, flip="alternating")
    groups = [(group.roles, group.rate_factor) for group in model.optimizer.groups]
    assert groups == [(("weight",), 0.0), (("offset",), 64.0), (("scale",), 0.0)]
    assert model.optimizer.groups[0].layers == ("whiten",)
    assert model.network.node("whiten").layer.trainable  # for its bias
    first = model.weights["conv2d_1.weight"]
    np.testing.assert_array_equal(first[1, 1], np.eye(64))
    assert not first[0].any()
    with pytest.raises(pl.NetworkError, match="bias_initializer must not be 'dirac'"):
        pl.Conv2D(4, 3, bias_initializer="dirac")
    assert isinstance(build_view(recipe, model), TestTimeSession)
    assert recipe.whiten == "whiten"


def test_a_recipe_file_may_name_a_network_beside_it(tmp_path):
    network = pl.Sequential(pl.Input(4), pl.Dense(2), name="beside")
    (tmp_path / "net.json").write_text(dumps(network))
    (tmp_path / "mine.toml").write_text('network = "net.json"\nepochs = 7\n')
    recipe = recipes.read(tmp_path / "mine.toml")
    Path(tmp_path / "net.json").unlink()
    assert build_network(recipe) == network
    assert recipe.epochs == 7


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(pl.RunError, match=r"Did you mean 'mnist-torch'\?"):
        recipes.read("mnist-toch")


def test_a_recipe_survives_its_file(tmp_path):
    for name in recipes.names():
        recipe = recipes.read(name)
        (tmp_path / "it.toml").write_text(recipe.to_toml())
        assert recipes.read(tmp_path / "it.toml") == recipe
