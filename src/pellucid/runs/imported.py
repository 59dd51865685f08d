"""Run folders of models that were trained elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from pellucid.errors import RunError
from pellucid.network import to_json
from pellucid.runs.folder import RunFolder
from pellucid.runs.model_file import ModelFile
from pellucid.runs.provenance import provenance
from pellucid.runs.recipe import Recipe
from pellucid.storage import PENDING, writing


def keep_imported(file: ModelFile, path: Path, *, origin: str) -> RunFolder:
    """Make a run folder of a model: its recipe, no epochs, and ``last.pellucid``.

    Parameters
    ----------
    file : ModelFile
        The model.
    path : Path
        The folder; new, or empty.
    origin : str
        What the model was read from; kept in the recipe's provenance.

    Returns
    -------
    RunFolder
        The run.

    Raises
    ------
    RunError
        If the folder holds a run or other files, or cannot be written.
    """
    folder = RunFolder(path)
    was_cut_off = os.path.lexists(path / PENDING)
    folder.create()
    engine = "compiled" if file.dtype == "float32" else "numpy"
    document = {
        "network": to_json(file.network),
        "data": {"given": "import"},
        "engine": engine,
        "epochs": 0,
        "dtype": file.dtype,
        "preprocessing": file.preprocessing.to_json(),
        "provenance": {**provenance(engine), "imported_from": origin},
    }
    recipe = Recipe.parse(document, origin="import")
    with folder.locked():
        if folder.recipe.exists() and not (
            was_cut_off and _is_same(folder, file, recipe)
        ):
            raise RunError(
                f"import: '{path}' must be a new run; got one that is there. Choose "
                "another name."
            )
        with writing(folder.path, at=folder.last) as stage:
            stage.write(folder.last.name, file.to_bytes())
            stage.write(folder.recipe.name, recipe.to_toml().encode())
    return folder


def _is_same(folder: RunFolder, file: ModelFile, recipe: Recipe) -> bool:
    """Return whether the folder holds this very import, which was cut off late."""
    there = Recipe.read(folder.recipe)
    origins = (r.provenance.get("imported_from") for r in (there, recipe))
    return (
        there.data.given == "import"
        and not folder.has_begun
        and len({*origins}) == 1
        and folder.last.exists()
        and _is_same_model(ModelFile.read(folder.last), file)
    )


def _is_same_model(one: ModelFile, other: ModelFile) -> bool:
    return (
        one.network == other.network
        and one.preprocessing == other.preprocessing
        and one.weights.keys() == other.weights.keys()
        and all(
            array.dtype == other.weights[name].dtype
            and array.tobytes() == other.weights[name].tobytes()
            for name, array in one.weights.items()
        )
    )
