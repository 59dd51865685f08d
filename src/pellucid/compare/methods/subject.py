"""Network and data of a comparison, made ready."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid import recipes
from pellucid.compare.task import Task
from pellucid.data import Dataset
from pellucid.data.loading import NAMES
from pellucid.engines import Engine
from pellucid.engines.registry import REFERENCE
from pellucid.errors import NetworkError
from pellucid.model import Model
from pellucid.model.inputs import check_dataset
from pellucid.network import ZOO, Network, load_network
from pellucid.network.ports import has_several, require_own_weights
from pellucid.recipes.builders import build_model as build_recipe_model
from pellucid.recipes.datasets import load_examples
from pellucid.renamed import former_names
from pellucid.runs.recipe import Recipe

#: what was loaded last: the rows of a process ask for the same again and again
_KEPT: dict[tuple[str, str], tuple[Dataset, Dataset]] = {}
_MOST_BYTES = 256 * 2**20


def get_network(task: Task) -> Network:
    """Return the task's network."""
    return load_network(task.network)


def build_model(
    task: Task,
    engine: str | Engine | None = None,
    *,
    seed: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Model:
    """Return the task's network on an engine, with loss and optimizer, untrained.

    Parameters
    ----------
    task : Task
    engine : str or Engine, optional
        Instead of the task's.
    seed : int, optional
        Of the weights, instead of the task's.
    changes : mapping, optional
        Of the recipe, as `pellucid.recipes.override` takes them.
    """
    recipe = read_recipe(task.network, task.data)
    own = {"seed": task.seed if seed is None else seed}
    recipe = recipes.override(recipe, {**own, **(changes or {})})
    return build_recipe_model(recipe, engine or task.engine)


def load_data(task: Task, model: Model | None = None) -> tuple[Dataset, Dataset]:
    """Return train and test data, brought to the network's size and colour.

    Parameters
    ----------
    task : Task
    model : Model, optional
        One of the network, where it is there already. In a job of several processes it
        must be: no engine but the launcher's own can be made there.
    """
    key = (task.network, task.data)
    if key not in _KEPT:
        recipe = read_recipe(task.network, task.data)
        found = load_examples(
            recipe.data, model or build_recipe_model(recipe, REFERENCE)
        )
        _KEPT.clear()
        if sum(getattr(part.images, "nbytes", 0) for part in found) > _MOST_BYTES:
            return found
        _KEPT[key] = found
    return _KEPT[key]


def read_recipe(network: str, data: str | None) -> Recipe:
    """Return how a network of the zoo, or from a file, is trained; on what data.

    Raises
    ------
    NetworkError
        If there is no such network, or it does not take images and tell classes.
    """
    described = load_network(network)
    if has_several(described):
        raise NetworkError(
            "compare: the network must have one input and one output, for the "
            "programs it runs are of images and classes; got "
            f"{', '.join(described.inputs)} and {', '.join(described.outputs)}. "
            "pellucid verify compares the engines' numbers, pellucid benchmark their "
            "speed."
        )
    require_own_weights("compare", described)
    if len(described.input_shape) != 3 or len(described.output_shape) != 1:
        raise NetworkError(
            "compare: network must take images (height, width, channels) and tell "
            f"classes apart; got {network!r} with input shape "
            f"{described.input_shape} and output shape {described.output_shape}."
        )
    recipe = recipes.read(network)
    return recipe if data is None else recipes.override(recipe, {"data.source": data})


def check_subject(network: str, data: str | None) -> tuple[str, str]:
    """Return both as a cell in another process is told, after a look at them.

    Raises
    ------
    PellucidError
        If the network or the data cannot be had, or do not fit each other.
    """
    recipe = read_recipe(network, data)
    model = build_recipe_model(recipe, REFERENCE)
    for part in load_examples(recipe.data, model):
        check_dataset(part, "compare", model.network, model.loss)
    return _absolute(network), _absolute(recipe.data.source)


def _absolute(source: str) -> str:
    """Return a path in full; a name as it is, whatever lies in this folder."""
    path = Path(source).expanduser()
    is_path = path.exists() and source not in (*ZOO, *NAMES)
    return str(path.resolve()) if is_path else source


#: what a criterion of one's own was written with
_FORMER = {
    "data_of": "load_data",
    "model_of": "build_model",
    "network_of": "get_network",
}
__getattr__ = former_names(__name__, _FORMER)
