"""Runs side by side: what each was, how it differs, where it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError, RunError
from pellucid.regular_file import read_regular_text
from pellucid.runs.folder import RUNS, RunFolder, find
from pellucid.runs.recipe import Recipe
from pellucid.training import History

#: what says where and when a run was, not what it is
_CIRCUMSTANCES = ("provenance", "schema_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run.

    Parameters
    ----------
    name : str
        The folder's name.
    path : Path
        The folder.
    settings : dict of str to value
        The recipe, flat: ``optimizer.learning_rate``.
    history : History
        A record per epoch.
    started : str
        When, as the recipe has it; empty where it does not say.
    """

    name: str
    path: Path
    settings: Mapping[str, Any]
    history: History
    started: str

    @property
    def best(self) -> Mapping[str, float]:
        """The best epoch's record, by val_loss where there is one, else by loss.

        Empty before the first epoch ends.
        """
        if not len(self.history):
            return {}
        key = "val_loss" if self.history["val_loss"] else "loss"
        rated = [record for record in self.history if key in record]
        return min(rated, key=lambda record: record[key])


def list_runs() -> tuple[list[RunSummary], list[str]]:
    """Return the runs under runs/, the oldest first, and what could not be read.

    Returns
    -------
    tuple
        Summaries, and a sentence for each folder that holds a recipe which cannot be
        read.
    """
    found, problems = [], []
    for recipe in sorted(RUNS.glob("*/recipe.toml")):
        try:
            found.append(summarize_run(recipe.parent))
        except PellucidError as error:
            problems.append(str(error))
    return sorted(found, key=lambda run: (run.started, run.name)), problems


def summarize_run(run: str | Path) -> RunSummary:
    """Return one run's summary.

    Parameters
    ----------
    run : str or Path
        A folder, or its name under runs/.

    Returns
    -------
    RunSummary
        Read from recipe and history; no model is loaded.

    Raises
    ------
    RunError
        If there is none, or it cannot be read.
    """
    path = find(run)
    if not path.is_dir():
        raise RunError(f"runs: RUN must be a run's folder; got the file '{path}'.")
    folder = RunFolder(path)
    recipe = Recipe.read(folder.recipe)
    document = {
        key: value
        for key, value in recipe.model_dump(mode="json").items()
        if key not in _CIRCUMSTANCES and value is not None
    }
    given = document["data"].pop("given", None)
    if given is not None:  # the source has no meaning then
        document["data"]["source"] = given
    if not isinstance(document["network"], str):
        document["network"] = document["network"].get("name", "network")
    return RunSummary(
        name=path.resolve().name,
        path=path,
        settings=_flatten(document),
        history=_read_history(folder.history),
        started=str(recipe.provenance.get("started", "")),
    )


def differing_settings(runs: Sequence[RunSummary]) -> list[str]:
    """Return the settings in which runs differ, by name.

    Parameters
    ----------
    runs : sequence of RunSummary
        Two at least, for there to be any.

    Returns
    -------
    list of str
        Keys of ``settings``; one that a run lacks differs.
    """
    keys = sorted({key for run in runs for key in run.settings})
    return [
        key
        for key in keys
        if len({json.dumps(run.settings.get(key)) for run in runs}) > 1
    ]


def _flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        elif value is not None:
            flat[prefix + key] = value
    return flat


def _read_history(path: Path) -> History:
    if not path.exists():
        return History()
    try:
        lines = read_regular_text(path).splitlines()
        return History([json.loads(line) for line in lines if line])
    except (OSError, ValueError) as error:
        raise RunError(
            f"runs: '{path}' must hold one JSON object a line; got "
            f"{' '.join(str(error).split())[:200]}."
        ) from error
