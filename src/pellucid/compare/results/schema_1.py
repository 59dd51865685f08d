"""Results of schema version 1: what its figures did not yet say, added.

It did not say the mode of a fastest figure nor the limit of an efficiency, and counted
plain Python as a program of pellucid's NumPy engine.
"""

from __future__ import annotations

from typing import Any

_OF_MODES = ("images/s, best, ", "latency p", "throughput, ")
_PROGRAMS = "programs in the "
_IN_PYTHON = "programs that work as they are"
_NOT_SAID = "A network is a fixed graph of layers: such a program cannot be said in it."


def upgrade(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of schema version 1 as one of version 2."""
    cells = [_cell(cell) for cell in document["cells"]]
    return {**document, "schema_version": 2, "cells": cells}


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    figures = [_figure(figure) for figure in cell["figures"]]
    if (cell["row"], cell["engine"]) == ("graph", "numpy"):
        figures = [_own(f) for f in figures if not _is_of_python(f)]
    return {**cell, "figures": figures}


def _figure(figure: dict[str, Any]) -> dict[str, Any]:
    name, note = figure["name"], figure.get("note", "")
    if name.startswith(_OF_MODES) and "; " in note and figure["value"] is not None:
        return {**figure, "mode": note.partition("; ")[0]}
    if name.startswith("efficiency, ") and figure.get("unit") == "%":
        return {**figure, "limit": 100.0}
    return figure


def _own(figure: dict[str, Any]) -> dict[str, Any]:
    is_count = figure["name"].startswith(_PROGRAMS)
    return {**figure, "value": 0, "note": _NOT_SAID} if is_count else figure


def _is_of_python(figure: dict[str, Any]) -> bool:
    names = (figure["name"], figure.get("of", ""))
    return any(name.startswith(_IN_PYTHON) for name in names)
