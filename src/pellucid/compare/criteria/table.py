"""Table of rows; each one's file is read when it is needed."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from pellucid.compare.criteria.criterion import Criterion
from pellucid.errors import PellucidError

_HERE = Path(__file__).parent

#: names in the report's order; a row's file has its name, with _ for -
CRITERIA: tuple[str, ...] = (
    "learning",
    "train-speed",
    "latency",
    "footprint",
    "graph",
    "ease",
    "mistakes",
    "debugging",
    "ecosystem",
    "reproducibility",
    "deployment",
    "devices",
    "languages",
    "scale-out",
    "weights",
)


#: a folder with rows of the reader's own: each a file that exports ROW
FOLDER = "PELLUCID_ROWS"


def list_criteria() -> tuple[str, ...]:
    """Return the names of the rows whose file exists, without reading them.

    A file that exports ROW and is not named above comes at the end.
    """
    found = {*_list_files()}
    return tuple(
        name for name in (*CRITERIA, *sorted(found - {*CRITERIA})) if name in found
    )


def find_criterion(name: str) -> Criterion:
    """Return the row of that name.

    Raises
    ------
    PellucidError
        If there is none.
    """
    files = _list_files()
    if name not in files:
        known = ", ".join(list_criteria())
        raise PellucidError(f"compare: --only must be among {known}; got {name!r}.")
    found: Criterion = _import_file(files[name]).ROW
    return found


def _list_files() -> dict[str, Path]:
    """Return the file of each row."""
    own = os.environ.get(FOLDER)
    folders = [_HERE, *([Path(own)] if own else [])]
    return {
        path.stem.replace("_", "-"): path
        for folder in folders
        for path in sorted(folder.glob("*.py"))
        if "\nROW = " in path.read_text(encoding="utf-8")
    }


def _import_file(path: Path) -> ModuleType:
    if path.parent == _HERE:
        return importlib.import_module(f"{__package__}.{path.stem}")
    name = f"pellucid_rows:{path.resolve()}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise PellucidError(f"compare: a row must be a Python file; got '{path}'.")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
