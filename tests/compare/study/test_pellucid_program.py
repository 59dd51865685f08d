"""A network becomes the program that describes it again."""

from __future__ import annotations

import pytest

import pellucid as pl
from pellucid.compare.study.pellucid_program import pellucid_program
from pellucid.compare.study.scripts import load_text
from pellucid.compare.study.subject import recipe_of


@pytest.mark.parametrize("name", ["lenet5", "mnist-keras", "mnist-torch", "resnet20"])
def test_a_program_describes_the_network_that_it_was_made_from(name, tmp_path) -> None:
    network = pl.zoo(name)
    text = pellucid_program(network, recipe_of(name, None), stem="made")
    module = load_text(text, tmp_path / "made.py")
    assert module.make_network().nodes == network.nodes
    how = network.preprocessing or pl.Preprocessing()
    assert module.make_model().preprocessing == how


def test_a_layers_unusual_settings_are_written(tmp_path) -> None:
    image = pl.Input(8, 8, 1)
    x = pl.Conv2D(4, kernel_size=(3, 1), stride=2, padding="same", bias=False)(image)
    network = pl.Network(inputs=image, outputs=pl.Dense(3)(pl.Flatten()(x)))
    recipe = recipe_of("mnist-keras", None)
    text = pellucid_program(network, recipe, stem="made")
    assert '(4, kernel_size=(3, 1), stride=2, padding="same", bias=False)' in text
    assert load_text(text, tmp_path / "made.py").make_network().nodes == network.nodes
