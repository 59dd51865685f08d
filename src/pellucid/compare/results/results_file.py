"""Results of a whole comparison, and their file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pellucid.compare.results.result import Question, Result
from pellucid.compare.results.schema_1 import upgrade
from pellucid.compare.results.trust import has_disturbed_times
from pellucid.errors import RunError
from pellucid.regular_file import read_regular_text
from pellucid.storage import recover

KIND = "pellucid compare"
SCHEMA_VERSION = 2
FILE = "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that was measured, with what it was measured on.

    Attributes
    ----------
    settings : dict
        network, data, engines, is_quick, seed.
    machine, versions : dict
    begun, took_s
        When it was begun, in UTC, and how long all of its cells took together.
    questions : tuple of Question
    cells : tuple of Cell
    """

    settings: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    begun: str = ""
    took_s: float = 0.0
    questions: tuple[Question, ...] = ()
    cells: tuple[Result, ...] = ()

    @property
    def engines(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.settings["engines"])

    def get(self, row: str, engine: str) -> Result | None:
        """Return the cell of that row and engine, if there is one."""
        found = (c for c in self.cells if c.row == row and c.engine == engine)
        return next(found, None)

    def row(self, name: str) -> list[Result]:
        """Return a row's cells in the order of the columns."""
        cells = (self.get(name, engine) for engine in self.engines)
        return [cell for cell in cells if cell is not None]

    def question(self, name: str) -> Question | None:
        """Return the question of that name, if it was asked."""
        return next((q for q in self.questions if q.name == name), None)

    def with_results(self, cells: Iterable[Result]) -> Self:
        """Return the results with those cells in place of what stood there."""
        kept = {(c.row, c.engine): c for c in self.cells}
        kept |= {(c.row, c.engine): c for c in cells}
        took = sum(cell.seconds for cell in kept.values())
        return replace(self, cells=tuple(kept.values()), took_s=round(took, 1))

    @property
    def disturbed(self) -> list[Result]:
        """The measured cells with times, around which something else ran."""
        return [
            cell for cell in self.cells if cell.is_done and has_disturbed_times(cell)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the results as plain values, schema_version first."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "settings": self.settings,
            "machine": self.machine,
            "versions": self.versions,
            "begun": self.begun,
            "took_s": self.took_s,
            "questions": [question.to_json() for question in self.questions],
            "cells": [cell.to_json() for cell in self.cells],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        plain = ("settings", "machine", "versions", "begun", "took_s")
        questions = (Question.from_json(q) for q in document["questions"])
        return cls(
            **{key: document[key] for key in plain},
            questions=tuple(questions),
            cells=tuple(Result.from_json(cell) for cell in document["cells"]),
        )


def read_results(path: Path) -> Results:
    """Read a results file.

    Raises
    ------
    RunError
        If it cannot be read, or is none that this version understands.
    """
    recover(path.parent)
    try:
        document = json.loads(read_regular_text(path))
    except OSError as error:
        raise RunError(
            f"compare: results must be a file that can be read; got '{path}': "
            f"{error.strerror}."
        ) from error
    except ValueError as error:
        raise RunError(
            f"compare: results must be JSON; got '{path}': {error}."
        ) from error
    kind = document.get("kind") if isinstance(document, dict) else None
    version = document.get("schema_version") if kind == KIND else None
    if version not in (1, SCHEMA_VERSION):
        came = f"schema_version={version}" if kind == KIND else f"kind={kind!r}"
        raise RunError(
            f"compare: results must have kind='{KIND}' and schema_version="
            f"{SCHEMA_VERSION}; got {came} in '{path}'. Measure into another folder."
        )
    try:
        document = upgrade(document) if version == 1 else document
        return Results.from_json(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(
            f"compare: results must be as `pellucid compare` wrote them; got '{path}' "
            f"with {type(error).__name__}: {error}. Measure into another folder."
        ) from error
