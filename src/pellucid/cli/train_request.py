"""Options of `pellucid train` as recipe and run folder, checked."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.errors import RunError

if TYPE_CHECKING:
    from pellucid.runs.recipe import Recipe

_FILES = (".json", ".pellucid", ".py", ".toml")  # a run's name may have a dot as well


def parse_augment(items: list[str]) -> dict[str, Any]:
    """Parse ``shift=2`` and ``flip``."""
    from pellucid.recipes import parse_setting

    pairs = (parse_setting(i if "=" in i else f"{i}=true") for i in items)
    return {f"augment.{key}": value for key, value in pairs}


def parse_class_weight(items: list[str]) -> str | dict[str, Any] | None:
    """Parse ``balanced``, ``cat=2``, or ``kind=balanced`` of one output of several."""
    from pellucid.recipes import parse_setting

    if not items or items == ["balanced"]:
        return "balanced" if items else None
    pairs = [item.rpartition("=") for item in items]
    weights = {
        name: parse_setting(f"weight={value or item}")[1]
        for item, (name, _, value) in zip(items, pairs, strict=True)
    }
    for item, (name, _, value) in zip(items, pairs, strict=True):
        is_weight = value == "balanced" or isinstance(weights[name], int | float)
        if not name or not is_weight:
            raise RunError(
                "train: --class-weight must be balanced, CLASS=WEIGHT with a number, "
                f"as in dog=2.5, or OUTPUT=balanced of several outputs; got '{item}'."
            )
    if len(weights) != len(items):
        raise RunError(
            f"train: --class-weight must name a class once; got {', '.join(items)}."
        )
    return weights


def check_numbers(changes: dict[str, Any]) -> None:
    """Raise RunError for a number that is not finite."""
    for key, value in changes.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise RunError(f"train: {key} must be finite; got {value}.")


def refuse_changes(**given: Any) -> None:
    """Raise RunError for options that a resumed run cannot change."""
    for key, value in given.items():
        if value is not None:
            raise RunError(
                "train: with --resume only --engine, --threads and --epochs may be "
                f"given, for the rest must stay as it was; got {key}={value!r}."
            )


def read_run_recipe(run: str) -> tuple[Recipe, Path]:
    """Return the recipe of a run that goes on, and its folder."""
    from pellucid.runs import RunFolder, find
    from pellucid.runs.recipe import Recipe

    path = find(run)
    if not path.is_dir():
        raise RunError(
            f"train: --resume must name a run's folder; got the file '{path}'."
        )
    return Recipe.read(RunFolder(path).recipe), path


def read_start(
    network: str | None, start: str | None, classes: list[str], freeze: list[str]
) -> Recipe:
    """Return the recipe that starts from a model's weights."""
    from pellucid import recipes

    if start is None:
        raise RunError(
            "train: --classes and --freeze must be given with --from RUN; got no model "
            "to start from."
        )
    if network is not None:
        raise RunError(
            "train: NETWORK must not be given with --from, whose network is trained; "
            f"got '{network}'."
        )
    words = {"all": True, "none": False}
    if len(freeze) > 1 and words.keys() & set(freeze):
        raise RunError(
            "train: --freeze must be all, none or layers; got "
            f"{', '.join(freeze)} together."
        )
    what: bool | list[str] | None = freeze or None
    if len(freeze) == 1:
        what = words.get(freeze[0], freeze)
    return recipes.read_start(start, classes=parse_classes(classes), freeze=what)


def parse_classes(given: list[str]) -> int | dict[str, int] | None:
    """Return the classes of a new head: N, or OUTPUT=N for each of several."""
    pairs = [text.rpartition("=") for text in given]
    outputs = [output for output, _, _ in pairs]
    counts = [int(count) if count.isdecimal() else 0 for _, _, count in pairs]
    is_one = outputs == [""]
    if not all(counts) or not (is_one or all(outputs)):
        raise RunError(
            "train: --classes must be a number of at least 1, or OUTPUT=N for each of "
            f"several outputs; got {', '.join(given)}."
        )
    return counts[0] if is_one else dict(zip(outputs, counts, strict=True)) or None


def parse_sampler(given: str | None) -> dict[str, Any]:
    """Return the change that ``balanced`` or ``OUTPUT=balanced`` is."""
    output, equals, name = (given or "").rpartition("=")
    return {f"sampler.{output}": name} if equals else {"sampler": given}


def run_folder(run: str) -> Path:
    """Return the run's folder: runs/RUN, or the given path."""
    from pellucid.runs import RUNS

    return RUNS / run if Path(run).name == run else Path(run)


def new_folder(network: str) -> Path:
    """Return an unused folder under runs/ named after a network, file or run."""
    from pellucid.runs import new_name

    path = Path(network)
    name = path.stem if path.suffix in _FILES else path.name
    return new_name(re.sub(r"[^\w.-]+", "-", name))


def refuse_changes_while_finding(**given: Any) -> None:
    """Raise RunError for options that make no sense with --find-rate."""
    for key, value in given.items():
        if value is not None:
            raise RunError(
                "train: --find-rate must be given without --run and --resume, for it "
                f"trains nothing; got {key}={value!r}."
            )
