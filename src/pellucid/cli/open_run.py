"""Open RUN: load its model, and the recipe if there is one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.engines import Engine
from pellucid.engines.registry import DEFAULT, ENGINES, REFERENCE
from pellucid.errors import NetworkError, RunError
from pellucid.model import Model, from_file
from pellucid.network import ZOO, Network
from pellucid.recipes.builders import build_engine
from pellucid.runs import ModelFile, RunFolder, find, model_path
from pellucid.runs.recipe import Recipe


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A model, its path, and the recipe it was trained with, if known."""

    model: Model
    path: Path
    recipe: Recipe | None

    @property
    def folder(self) -> Path:
        """The run's folder, or that of the file."""
        return self.path if self.path.is_dir() else self.path.parent


def open_run(run: str, engine: str | None = None) -> LoadedRun:
    """Open RUN on an engine: the one named, else the run's own.

    A ``.pellucid`` file names no engine: it runs on the compiled engine, or on numpy
    if its dtype is float64.

    Raises
    ------
    RunError, ExchangeError
        If there is no such run, or its model cannot be read.
    """
    path = find(run)
    file = ModelFile.read(model_path(run))
    recipe = Recipe.read(RunFolder(path).recipe) if path.is_dir() else None
    chosen: str | Engine
    if engine is not None:
        chosen = engine
    elif recipe is not None:
        chosen = build_engine(_for_this_machine(recipe))
    else:
        can = file.dtype in ENGINES[DEFAULT].dtypes
        chosen = DEFAULT if can else REFERENCE
    return LoadedRun(from_file(file, engine=chosen), path, recipe)


def network_or_run(name: str, who: str) -> tuple[Network, dict[str, Any]]:
    """Return a network of the zoo, a file or a run, and the run's compiled options.

    Raises
    ------
    NetworkError
        If there is none of that name, or it takes no images.
    """
    from pellucid.benchmark.networks import LEAKY, check_takes_images, get_network
    from pellucid.network.architectures import ARCHITECTURES

    try:
        path = model_path(name)
    except RunError as error:
        is_known = name in (*ZOO, *ARCHITECTURES, LEAKY)
        if not is_known and Path(name).suffix not in (".py", ".json"):
            raise NetworkError(
                f"{who}: NETWORK must be a name of pl.zoo, a .py or .json file, or a "
                f"run; got {name!r}."
            ) from error
        return get_network(name, who=who), {}
    if path.suffix in (".py", ".json"):
        return get_network(name, who=who), {}
    network = ModelFile.read(path).network
    check_takes_images(network, name, who)
    folder = find(name)
    recipe = Recipe.read(RunFolder(folder).recipe) if folder.is_dir() else None
    is_compiled = recipe is not None and recipe.engine == DEFAULT
    return network, dict(recipe.engine_options) if recipe and is_compiled else {}


def _for_this_machine(recipe: Recipe) -> Recipe:
    """Drop a thread count that was recorded on a larger machine."""
    options = dict(recipe.engine_options)
    if options.get("threads", 0) > (os.cpu_count() or 1):
        del options["threads"]
    return recipe.model_copy(update={"engine_options": options})


def data_source(loaded: LoadedRun, given: str | None) -> str:
    """Return the named data, else what the run was trained on.

    Raises
    ------
    RunError
        If neither names the data.
    """
    if given is not None:
        return given
    if loaded.recipe is None or loaded.recipe.data.given is not None:
        raise RunError(
            f"data: must be named, for '{loaded.path}' does not say what it was "
            "trained on; got no --data."
        )
    return loaded.recipe.data.source
