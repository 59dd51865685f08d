"""This file is the table of rows; each one's file is read when it is needed."""

from __future__ import annotations

import importlib
from pathlib import Path

from pellucid.compare.study.row import Row
from pellucid.errors import PellucidError

#: names in the report's order; a row's file has its name, with _ for -
ROWS: tuple[str, ...] = (
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


def rows_there() -> tuple[str, ...]:
    """Return the names of the rows whose file exists, without reading them.

    A file that exports ROW and is not named above comes at the end.
    """
    found = {
        path.stem.replace("_", "-")
        for path in Path(__file__).parent.glob("*.py")
        if "\nROW = " in path.read_text(encoding="utf-8")
    }
    return tuple(name for name in (*ROWS, *sorted(found - {*ROWS})) if name in found)


def row(name: str) -> Row:
    """Return the row of that name.

    Raises
    ------
    PellucidError
        If there is none.
    """
    if name not in rows_there():
        known = ", ".join(rows_there())
        raise PellucidError(f"compare: --only must be among {known}; got {name!r}.")
    found: Row = importlib.import_module(_module(name)).ROW
    return found


def _module(name: str) -> str:
    return f"{__package__}.{name.replace('-', '_')}"
