"""A network becomes the program that describes it again."""

from __future__ import annotations

import pytest

import pellucid as pl
from pellucid.compare.methods.pellucid_program import write_pellucid_program
from pellucid.compare.methods.scripts import load_script
from pellucid.compare.methods.subject import read_recipe


@pytest.mark.parametrize("name", ["lenet5", "mnist-keras", "mnist-torch", "resnet20"])
def test_a_program_describes_the_network_that_it_was_made_from(name, tmp_path) -> None:
    network = pl.zoo(name)
    text = write_pellucid_program(network, read_recipe(name, None), stem="made")
    module = load_script(text, tmp_path / "made.py")
    assert module.make_network().nodes == network.nodes
    how = network.preprocessing or pl.Preprocessing()
    assert module.make_model().preprocessing == how


def test_a_layers_unusual_settings_are_written(tmp_path) -> None:
    image = pl.Input(8, 8, 1)
    x = pl.Conv2D(4, kernel_size=(3, 1), stride=2, padding="same", bias=False)(image)
    network = pl.Network(inputs=image, outputs=pl.Dense(3)(pl.Flatten()(x)))
    recipe = read_recipe("mnist-keras", None)
    text = write_pellucid_program(network, recipe, stem="made")
    assert '(4, kernel_size=(3, 1), stride=2, padding="same", bias=False)' in text
    assert load_script(text, tmp_path / "made.py").make_network().nodes == network.nodes
