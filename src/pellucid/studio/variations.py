"""Runs beside a training that differ in one thing: what it does is seen at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pellucid.model import Model
from pellucid.network import to_json
from pellucid.network.head import find_heads
from pellucid.network.layers import Shape
from pellucid.recipes import override
from pellucid.recipes.builders import build_network
from pellucid.runs.recipe import Recipe

_MOST_UNITS = 128  # of a layer that is put in
_SCALED = ("weight", "bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """One thing that is other than in the training beside it.

    Attributes
    ----------
    label : str
        What the page calls it.
    change : callable, optional
        Return the changed recipe of a recipe.
    weight_factor : float
        Times the initial weights and biases; what a norm begins with stays.
    """

    label: str
    change: Callable[[Recipe], Recipe] | None = None
    weight_factor: float = 1.0

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return the changed recipe; NetworkError where a layer has no place."""
        return recipe if self.change is None else self.change(recipe)

    def begin(self, model: Model) -> None:
        """Change the weights that a training begins with."""
        if self.weight_factor != 1:
            model.load_weights(scale_weights(model, self.weight_factor))


def scale_weights(model: Model, factor: float) -> dict[str, Any]:
    """Return a model's weights and biases times a factor, the others as they are."""
    return {
        name: array * np.float32(factor) if name.endswith(_SCALED) else array
        for name, array in model.weights.items()
    }


def _set(recipe: Recipe, *, key: str, value: Callable[[Recipe], Any]) -> Recipe:
    return override(recipe, {key: value(recipe)})


def _times_rate(recipe: Recipe, *, factor: float) -> Recipe:
    rate = recipe.optimizer.get("learning_rate", 1e-3)
    return override(recipe, {"optimizer.learning_rate": float(f"{factor * rate:.12g}")})


def _plain(recipe: Recipe) -> Recipe:
    rate = recipe.optimizer.get("learning_rate", 1e-3)
    return override(recipe, {"optimizer.name": "sgd", "optimizer.learning_rate": rate})


def _hidden(shape: Shape) -> tuple[dict[str, Any], ...]:
    """Return a hidden layer of the width of what enters it, and a ReLU."""
    if len(shape) == 1:
        layer = {"layer": "Dense", "units": min(shape[0], _MOST_UNITS)}
    else:
        size = {"kernel_size": 1, "out_channels": min(shape[-1], _MOST_UNITS)}
        layer = {"layer": f"Conv{len(shape) - 1}D", **size}
    return layer, {"layer": "ReLU"}


def _before_heads(
    recipe: Recipe, *, layers: Callable[[Shape], tuple[dict[str, Any], ...]]
) -> Recipe:
    """Put layers before each layer that makes an output."""
    network = build_network(recipe)
    heads = [head.name for head in find_heads(network)]
    document, nodes = to_json(network), list[dict[str, Any]]()
    for node in document["nodes"]:
        if node["name"] in heads:
            inputs = node["inputs"]
            for layer in layers(network.shapes[inputs[0]]):
                name = f"one_more_{layer['layer'].lower()}"
                name += "" if len(heads) == 1 else f"_before_{node['name']}"
                nodes.append({"name": name, "inputs": inputs, **layer})
                inputs = [name]
            node = {**node, "inputs": inputs}
        nodes.append(node)
    document["nodes"] = nodes
    return recipe.model_copy(update={"network": document, "settings": {}})


VARIATIONS: dict[str, Variation] = {
    "rate-times-10": Variation(
        label="10 × the learning rate", change=partial(_times_rate, factor=10)
    ),
    "rate-tenth": Variation(
        label="a tenth of the learning rate", change=partial(_times_rate, factor=0.1)
    ),
    "batch-times-8": Variation(
        label="8 × the batch",
        change=partial(_set, key="batch_size", value=lambda r: 8 * r.batch_size),
    ),
    "batch-eighth": Variation(
        label="an eighth of the batch",
        change=partial(
            _set, key="batch_size", value=lambda r: max(1, r.batch_size // 8)
        ),
    ),
    "sgd": Variation(label="plain SGD", change=_plain),
    "deeper": Variation(
        label="one more hidden layer", change=partial(_before_heads, layers=_hidden)
    ),
    "dropout": Variation(
        label="dropout of one half before the last layer",
        change=partial(
            _before_heads, layers=lambda shape: ({"layer": "Dropout", "rate": 0.5},)
        ),
    ),
    "augmentation": Variation(
        label="images shifted by up to 2 pixels",
        change=partial(_set, key="augment.shift", value=lambda recipe: 2),
    ),
    "other-seed": Variation(
        label="other initial weights and order",
        change=partial(_set, key="seed", value=lambda recipe: recipe.seed + 1),
    ),
    "small": Variation(label="a tenth of the initial weights", weight_factor=0.1),
    "zeros": Variation(label="zeros as initial weights", weight_factor=0.0),
}
