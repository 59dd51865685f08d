"""Look for a learning rate for a recipe."""

from __future__ import annotations

from pellucid.data.download import Progress
from pellucid.model.rate_finder import RateSearch, find_learning_rate
from pellucid.recipes.builders import build_augment, build_model
from pellucid.recipes.datasets import load_examples
from pellucid.runs.recipe import Recipe


def find_rate(
    recipe: Recipe, *, steps: int = 100, data_progress: Progress | None = None
) -> RateSearch:
    """Return the losses of a recipe's model by its learning rate.

    Parameters
    ----------
    recipe : Recipe
        Its network, data, batch size, optimizer and augmentation are used.
    steps : int
        Updates, at least 10.
    data_progress : callable, optional
        Called as data_progress(done, total, what) while data is loaded.

    Returns
    -------
    RateSearch
        As `find_learning_rate` returns it.
    """
    model = build_model(recipe)
    model.clip(recipe.clip_norm)
    examples, _ = load_examples(recipe.data, model, progress=data_progress)
    return find_learning_rate(
        model,
        examples,
        steps=steps,
        batch_size=recipe.batch_size,
        augment=build_augment(recipe),
    )
