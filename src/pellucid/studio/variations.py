"""Runs beside a training that differ in one thing: what it does is seen at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.model import Model
from pellucid.recipes import override
from pellucid.runs.recipe import Recipe


def _unchanged(recipe: Recipe) -> Mapping[str, Any]:
    del recipe
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """One thing that is other than in the training beside it.

    Attributes
    ----------
    label : str
        What the page calls it.
    settings : callable
        The recipe's settings that change, of the recipe.
    starts_at_zero : bool
        Whether all weights are 0 at first.
    """

    label: str
    settings: Callable[[Recipe], Mapping[str, Any]] = _unchanged
    starts_at_zero: bool = False

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return the changed recipe."""
        return override(recipe, self.settings(recipe))

    def begin(self, model: Model) -> None:
        """Change the weights that a training begins with."""
        if self.starts_at_zero:
            model.load_weights({n: np.zeros_like(w) for n, w in model.weights.items()})


def _rate(recipe: Recipe, factor: float) -> dict[str, Any]:
    rate = recipe.optimizer.get("learning_rate", 1e-3)
    return {"optimizer.learning_rate": float(f"{factor * rate:.12g}")}


VARIATIONS: dict[str, Variation] = {
    "rate-times-10": Variation(
        label="10 × the learning rate", settings=lambda recipe: _rate(recipe, 10)
    ),
    "rate-tenth": Variation(
        label="a tenth of the learning rate", settings=lambda recipe: _rate(recipe, 0.1)
    ),
    "batch-times-8": Variation(
        label="8 × the batch",
        settings=lambda recipe: {"batch_size": 8 * recipe.batch_size},
    ),
    "sgd": Variation(
        label="plain SGD",
        settings=lambda recipe: {"optimizer.name": "sgd", **_rate(recipe, 1)},
    ),
    "other-seed": Variation(
        label="other initial weights and order",
        settings=lambda recipe: {"seed": recipe.seed + 1},
    ),
    "zeros": Variation(label="zeros as initial weights", starts_at_zero=True),
}
