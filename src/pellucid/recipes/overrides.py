"""Override values of a recipe by ``key=value``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from pellucid.errors import RunError
from pellucid.runs.recipe import Recipe

_TABLES = (
    "augment",
    "average",
    "data",
    "early_stopping",
    "engine_options",
    "loss",
    "optimizer",
    "preprocessing",
    "sampler",
    "schedule",
    "tta",
)


def parse_setting(text: str) -> tuple[str, Any]:
    """Read ``key=value``; the value as in TOML or JSON, a bare word as text.

    Parameters
    ----------
    text : str
        As typed after ``--set``.

    Returns
    -------
    tuple
        Key and value.

    Raises
    ------
    RunError
        If there is no key or no value.

    Examples
    --------
    >>> parse_setting("conv2d.out_channels=16")
    ('conv2d.out_channels', 16)
    >>> parse_setting("conv2d.padding=same")
    ('conv2d.padding', 'same')
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or not equals or not value:
        raise RunError(
            f"set: must be key=value, as in conv2d.out_channels=16; got '{text}'."
        )
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def override(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe with other values.

    Parameters
    ----------
    recipe : Recipe
        It stays as it is.
    changes : mapping of str to value
        ``"epochs"`` or another key of the recipe; ``"optimizer.momentum"``: a key in
        one of its tables; ``"loss.kind.name"``: the loss of one output of several,
        ``"sampler.kind"`` its balance; anything else with a dot is a hyperparameter of
        the network, ``"conv2d.out_channels"``. A table's ``name`` given anew drops what
        belonged to the old one: momentum is not Adam's.

    Returns
    -------
    Recipe
        A new one.

    Raises
    ------
    RunError
        If a value does not fit, or a key is none of the recipe's.
    """
    document = recipe.model_dump(mode="json")
    # a name first: what follows belongs to it
    for key in sorted(changes, key=lambda key: not key.endswith(".name")):
        table, dot, field = key.partition(".")
        value = changes[key]
        if not dot:
            document[key] = value
        elif table not in _TABLES:
            document["settings"] = {**document["settings"], key: value}
        elif table == "loss" and "." in field:
            document["loss"] = _override_output(document["loss"], field, value)
        elif table == "sampler":  # of one output of several
            document["sampler"] = {field: value}
        else:
            document[table] = _override_table(document[table] or {}, field, value)
    return Recipe.parse(document, origin="the recipe as it was changed")


def _override_table(former: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    if field == "name" and former.get("name") != value:
        former = {}
    return {**former, field: value}


def _override_output(losses: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Change the loss of one output, ``kind.name``; that of a single one is dropped."""
    output, _, field = key.rpartition(".")
    by_output = {} if isinstance(losses.get("name"), str) else losses
    former = by_output.get(output, {})
    weight = {k: former[k] for k in ("weight",) if k in former and field == "name"}
    return {**by_output, output: {**weight, **_override_table(former, field, value)}}
