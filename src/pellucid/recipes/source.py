"""Read a recipe: built in, a TOML file, or a network."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pellucid.errors import RunError
from pellucid.network import load_network, to_json
from pellucid.network.architectures import ARCHITECTURES
from pellucid.network.layers import is_own
from pellucid.network.registered_layers import register_layers
from pellucid.network.source import NETWORK_NAMES
from pellucid.runs.recipe import Recipe

_BUILTIN = Path(__file__).parent / "builtin"


def names() -> tuple[str, ...]:
    """Return the names of the built-in recipes.

    Returns
    -------
    tuple of str
        Sorted.

    Examples
    --------
    >>> "mnist-torch" in names()
    True
    """
    return tuple(sorted(path.stem for path in _BUILTIN.glob("*.toml")))


def read(source: str | Path) -> Recipe:
    """Return the recipe of that name, ``.toml`` file or network file.

    Parameters
    ----------
    source : str or Path
        A built-in recipe (each network of the zoo has one of its name); a ``.toml``
        file; or a network as ``.py`` or ``.json``, or a published architecture as
        ``unet``, which gets the defaults: MNIST, cross entropy, Adam, five epochs.
        Python files are run: take only those that you trust.

    Returns
    -------
    Recipe
        A network that came from a file is written out in it, so that the recipe
        needs the file no more.

    Raises
    ------
    RunError
        If there is no such recipe, or its file has an unknown key or a wrong value.
    NetworkError
        If the file of the network cannot be read or does not describe one.

    Examples
    --------
    >>> read("mnist-torch").epochs
    5
    """
    if str(source) in names():
        return Recipe.read(_BUILTIN / f"{source}.toml")
    if str(source) in ARCHITECTURES:
        return Recipe.parse({"network": str(source)}, origin=f"'{source}'")
    path = Path(source)
    if path.suffix in (".py", ".json"):
        return Recipe.parse({"network": _read_network(path)}, origin=f"'{path}'")
    if path.suffix != ".toml":
        close = get_close_matches(str(source), (*names(), *ARCHITECTURES), n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise RunError(
            f"recipe: what to train must be one of {', '.join(names())}, an "
            "architecture of pl.zoo such as unet, or a .toml, .py or .json file; got "
            f"'{source}'.{hint}"
        )
    recipe = Recipe.read(path)
    if isinstance(recipe.network, str) and recipe.network not in NETWORK_NAMES:
        beside = path.parent / recipe.network
        return recipe.model_copy(update={"network": _read_network(beside)})
    return recipe


def _read_network(path: Path) -> dict[str, Any]:
    """Return a file's network; its layers of one's own can be read again here."""
    network = load_network(path)
    register_layers({type(n.layer) for n in network.nodes if is_own(n.layer)})
    return to_json(network)
