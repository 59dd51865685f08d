"""Trainings that start from another model's weights, with another head."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.errors import RunError
from pellucid.model import Model
from pellucid.model.transfer import adapt, find_new_heads
from pellucid.network import to_json
from pellucid.objectives.output_losses import OutputLosses
from pellucid.runs import ModelFile, model_path
from pellucid.runs.recipe import Recipe, StartSection

_CHUNK_BYTES = 2**20


def read_start(
    run: str | Path,
    *,
    classes: int | Mapping[str, int] | None = None,
    freeze: bool | Sequence[str] | None = None,
) -> Recipe:
    """Return the recipe that trains on from a model.

    Parameters
    ----------
    run : str or Path
        A run's folder or name, or a ``.pellucid`` file.
    classes : int or mapping of str to int, optional
        Outputs of a new head; the head stays if left out, with its weights. Of several
        outputs {output: classes}.
    freeze : bool or sequence of str, optional
        True: all but the head; False: nothing; else nodes by name, or by what their
        names begin with. True if left out where classes are given.

    Returns
    -------
    Recipe
        The network is written out in it, frozen where it is; defaults for the rest:
        MNIST, cross entropy, Adam, five epochs. Several outputs keep their losses.

    Raises
    ------
    RunError, ExchangeError
        If there is no such model.
    NetworkError
        If its network has no such head or nodes.
    """
    path = model_path(run)
    file = ModelFile.read(path)
    anew = list(find_new_heads(file.network, classes))
    network = adapt(file.network, classes=classes, freeze=freeze)
    document: dict[str, Any] = {
        "network": to_json(network),
        "preprocessing": file.preprocessing.to_json(),
        "start": {"weights": str(path), "sha256": _digest(path), "anew": anew},
    }
    if isinstance(file.loss, OutputLosses) and len(network.outputs) > 1:
        document["loss"] = {
            term.output: {**term.loss.to_json(), "weight": term.weight}
            for term in file.loss.terms
        }
    return Recipe.parse(document, origin=f"'{path}'")


def take_start(model: Model, start: StartSection) -> None:
    """Give a model the weights that a recipe starts from, but for nodes drawn anew.

    Those are what the recipe names, and whatever its settings gave another shape.

    Raises
    ------
    RunError
        If the file is no longer there, or another one.
    ExchangeError
        If it is no model.
    """
    path = Path(start.weights)
    if not path.is_file():
        raise RunError(
            f"train: the weights that the recipe starts from must be there; got none "
            f"at '{path}'."
        )
    digest = _digest(path)
    if digest != start.sha256:
        raise RunError(
            f"train: the weights that the recipe starts from must be those it names; "
            f"got another file at '{path}' (sha256 {digest[:12]}…, not "
            f"{start.sha256[:12]}…)."
        )
    given = ModelFile.read(path).weights
    taken = {
        name: given[name]
        for name, array in model.weights.items()
        if name.rpartition(".")[0] not in start.anew
        and name in given
        and given[name].shape == array.shape
    }
    model.load_weights({**model.weights, **taken})


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()
