"""Test examples for the studio: of the opened run's data, or of a named dataset."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from pellucid import data
from pellucid.data import Source, sources
from pellucid.model import Model
from pellucid.network.ports import has_several
from pellucid.recipes.datasets import load_examples
from pellucid.runs.recipe import Recipe


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """The run that the studio was opened with: its title and its recipe."""

    title: str
    recipe: Recipe

    @property
    def has_data(self) -> bool:
        """Whether the recipe says where its data lies."""
        return self.recipe.data.given is None


class Examples:
    """Test examples, loaded when they are first asked for."""

    def __init__(self, name: str, model: Model, recipe: Recipe | None = None) -> None:
        self.name = name
        self._model, self._recipe = model, recipe

    @functools.cached_property
    def test(self) -> Any:
        """The examples, a Dataset or `SeveralDataset`; DataError without them."""
        if self._recipe is None:
            return data.load(self.name)[1]
        return load_examples(self._recipe.data, self._model)[1]


def examples_for(model: Model, run: OpenedRun | None = None) -> Examples | None:
    """Return the test examples that a model takes; None where there are none.

    Parameters
    ----------
    model : Model
    run : OpenedRun, optional
        Whose test data it is, if the model is the run's; else that of the first named
        dataset with examples of the network's input shape and the model's classes.
    """
    if run is not None and run.has_data:
        return Examples(run.recipe.data.source, model, run.recipe)
    if has_several(model.network):
        return None
    for source in sources():
        if _fits(source, model):
            return Examples(source.name, model)
    return None


def _fits(source: Source, model: Model) -> bool:
    is_of_shape = source.available and source.shape == model.network.input_shape
    return is_of_shape and model.classes in ((), tuple(source.classes))
