"""What is refused before the first trial."""

from __future__ import annotations

from pathlib import PurePath, PureWindowsPath

from pellucid.errors import RunError
from pellucid.recipes import override
from pellucid.recipes.builders import build_network
from pellucid.runs.recipe import Recipe
from pellucid.search.space import Choice, Parameter, Space


def check_numbers(space: Space, trials: int, seeds: int) -> None:
    """Refuse a search of nothing.

    Raises
    ------
    RunError
        If the space is empty, or a number is less than 1.
    """
    if not space:
        raise RunError(
            "search: at least one setting must be a range or a list, as in "
            "conv2d.out_channels=8..64; got none."
        )
    for name, value in (("trials", trials), ("seeds", seeds)):
        if value < 1:
            raise RunError(f"search: {name} must be at least 1; got {value}.")


def check_name(study: str) -> str:
    """Return a study's name, if it can be a folder's under searches/.

    Raises
    ------
    RunError
        If it is empty, or leads elsewhere.
    """
    parts = (PurePath(study).name, PureWindowsPath(study).name)
    if not study.strip() or study == ".." or parts != (study, study):
        raise RunError(
            "search: a study's name must be one of a folder under searches/, without "
            f"/; got '{study}'. Give another by --study."
        )
    return study


def check_settings(recipe: Recipe, space: Space) -> None:
    """Refuse keys that neither the recipe nor its network has.

    A value that does not fit is no mistake of the whole search: its trial fails.

    Raises
    ------
    RunError
        If a key is none of the recipe's.
    NetworkError
        If a node or argument does not exist.
    """
    override(recipe, {key: _first(one) for key, one in space.items()})
    if "network" in space:
        return  # each has nodes of its own
    network = build_network(recipe)
    for key in space:
        if key not in override(recipe, {key: _first(space[key])}).settings:
            continue
        name, _, field = key.partition(".")
        # its own value fits, if there is such an argument
        network.with_settings({key: getattr(network.node(name).layer, field, None)})


def _first(parameter: Parameter) -> object:
    if isinstance(parameter, Choice):
        return parameter.options[0]
    return parameter.low
