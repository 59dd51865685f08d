"""This file is a run that was not trained here: a model that came from elsewhere."""

from __future__ import annotations

from pathlib import Path

from pellucid.errors import RunError
from pellucid.network import to_json
from pellucid.runs.folder import RunFolder
from pellucid.runs.model_file import ModelFile
from pellucid.runs.provenance import provenance
from pellucid.runs.recipe import Recipe
from pellucid.runs.tensor_file import write_bytes


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

    Raises
    ------
    RunError
        If the folder holds a run or other files, or cannot be written.
    """
    folder = RunFolder(path)
    if folder.recipe.exists():
        raise RunError(
            f"import: '{path}' must be a new run; got one that is there. Choose "
            "another name."
        )
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
    file.write(folder.last)
    write_bytes(folder.recipe, recipe.to_toml().encode())
    return folder
