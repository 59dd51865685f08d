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
    cells = [_upgrade_result(cell) for cell in document["cells"]]
    return {**document, "schema_version": 2, "cells": cells}


def _upgrade_result(cell: dict[str, Any]) -> dict[str, Any]:
    measurements = [
        _upgrade_measurement(measurement) for measurement in cell["figures"]
    ]
    if (cell["row"], cell["engine"]) == ("graph", "numpy"):
        measurements = [_correct_count(f) for f in measurements if not _is_of_python(f)]
    return {**cell, "figures": measurements}


def _upgrade_measurement(measurement: dict[str, Any]) -> dict[str, Any]:
    name, note = measurement["name"], measurement.get("note", "")
    if name.startswith(_OF_MODES) and "; " in note and measurement["value"] is not None:
        return {**measurement, "mode": note.partition("; ")[0]}
    if name.startswith("efficiency, ") and measurement.get("unit") == "%":
        return {**measurement, "limit": 100.0}
    return measurement


def _correct_count(measurement: dict[str, Any]) -> dict[str, Any]:
    is_count = measurement["name"].startswith(_PROGRAMS)
    return {**measurement, "value": 0, "note": _NOT_SAID} if is_count else measurement


def _is_of_python(measurement: dict[str, Any]) -> bool:
    names = (measurement["name"], measurement.get("of", ""))
    return any(name.startswith(_IN_PYTHON) for name in names)
