"""Recipes with other values."""

import pytest

import pellucid as pl
from pellucid import recipes
from pellucid.recipes.builders import build_network


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("conv2d.out_channels=16", "conv2d.out_channels", 16),
        ("dropout.rate=0.25", "dropout.rate", 0.25),
        ("conv2d.padding=same", "conv2d.padding", "same"),
        ("conv2d.bias=false", "conv2d.bias", False),
        ("conv2d.kernel_size=[3, 5]", "conv2d.kernel_size", [3, 5]),
        ("run.note=a=b", "run.note", "a=b"),
        ("early_stopping.monitor=null", "early_stopping.monitor", None),
    ],
)
def test_a_setting_is_read_as_toml_json_or_text(text, key, value):
    assert recipes.parse_setting(text) == (key, value)


@pytest.mark.parametrize("text", ["conv2d.units", "=3", "conv2d.units="])
def test_a_setting_needs_key_and_value(text):
    with pytest.raises(pl.RunError, match="must be key=value"):
        recipes.parse_setting(text)


def test_network_and_recipe_change_and_the_first_recipe_stays():
    recipe = recipes.read("mnist-torch")
    other = recipes.override(
        recipe,
        {
            "conv2d.kernel_size": [5, 5],
            "conv2d.padding": [[2, 2], [2, 2]],
            "epochs": 2,
            "optimizer.learning_rate": 0.01,
        },
    )
    assert build_network(other).node("conv2d").layer.kernel_size == (5, 5)
    assert (other.epochs, other.optimizer["learning_rate"]) == (2, 0.01)
    assert recipe == recipes.read("mnist-torch")


def test_another_optimizer_drops_what_was_the_formers():
    recipe = recipes.override(recipes.read("resnet20"), {"optimizer.name": "adam"})
    assert recipe.optimizer == {"name": "adam"}


def test_another_optimizer_takes_what_is_given_with_it_in_any_order():
    changes = {"optimizer.learning_rate": 0.5, "optimizer.name": "adam"}
    recipe = recipes.override(recipes.read("resnet20"), changes)
    assert recipe.optimizer == {"name": "adam", "learning_rate": 0.5}


def test_an_unknown_key_is_refused():
    with pytest.raises(pl.RunError, match="'epocs' in the recipe as it was changed"):
        recipes.override(recipes.read("lenet5"), {"epocs": 3})
