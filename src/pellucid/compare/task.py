"""Task of one child process, in a form that processes exchange."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one cell is asked: an engine, the reader's network and data, how thorough.

    Attributes
    ----------
    engine : str
        "numpy", "compiled", "torch", "tensorflow" or "jax".
    network : str
        A name of the zoo, or the path of a .py or .json file.
    data : str
        A name, or a path, as `pellucid.data.load` takes it.
    is_quick : bool
        Whether the whole report must be done in minutes.
    seed : int
    folder : Path
        Scratch of this cell: exists, empty, removed afterwards.
    """

    engine: str
    network: str
    data: str
    is_quick: bool
    seed: int
    folder: Path

    def to_json(self) -> dict[str, Any]:
        """Return the task as plain values."""
        return {
            "engine": self.engine,
            "network": self.network,
            "data": self.data,
            "is_quick": self.is_quick,
            "seed": self.seed,
            "folder": str(self.folder),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{**document, "folder": Path(document["folder"])})
