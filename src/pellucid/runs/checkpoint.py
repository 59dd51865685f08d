"""Checkpoint: all that resumes a training, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pellucid.errors import ExchangeError, RunError
from pellucid.runs.tensor_file import (
    parse_tensors,
    read_tensors,
    tensor_bytes,
    write_bytes,
)
from pellucid.training import History, TrainerState

SCHEMA_VERSION = 1
_BEST, _AVERAGE = "best/", "average/"
_Content = tuple[dict[str, npt.NDArray[Any]], dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The session's state, the trainer's position and the history so far.

    Parameters
    ----------
    state : dict of str to ndarray
        As `Session.state` returns it.
    position : TrainerState
        Where the trainer stands.
    history : History
        Of the completed epochs.
    """

    state: dict[str, npt.NDArray[Any]]
    position: TrainerState
    history: History

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Parameters
        ----------
        path : Path
            The file; replaced if it exists.
        """
        write_bytes(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return what `write` writes.

        Returns
        -------
        bytes
            A safetensors file.
        """
        tensors = {
            **self.state,
            **{f"{_BEST}{k}": a for k, a in self.position.best.weights.items()},
            **{f"{_AVERAGE}{k}": a for k, a in self.position.average.items()},
        }
        document = {
            "schema_version": SCHEMA_VERSION,
            "position": self.position.to_json(),
            "history": [dict(record) for record in self.history],
        }
        return tensor_bytes(tensors, {"trainer.json": json.dumps(document)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Checkpoint:
        """Read what `to_bytes` returned; raises as `read`.

        Parameters
        ----------
        content : bytes
            A whole file.

        Returns
        -------
        Checkpoint
            The checkpoint.
        """
        return cls._decode(lambda: parse_tensors(content), "the first process's state")

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a file.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        Checkpoint
            The checkpoint.

        Raises
        ------
        RunError
            If it is missing, damaged, or of another version.
        """
        return cls._decode(lambda: read_tensors(path), f"'{path}'")

    @classmethod
    def _decode(cls, read: Callable[[], _Content], origin: str) -> Checkpoint:
        try:
            tensors, metadata = read()
            document = json.loads(metadata["trainer.json"])
            version = document["schema_version"]
            best, average = (
                {k.removeprefix(p): a for k, a in tensors.items() if k.startswith(p)}
                for p in (_BEST, _AVERAGE)
            )
            position = TrainerState.from_json(document["position"], best, average)
            history = History(document["history"])
        except (ExchangeError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"resume: {origin} must be a checkpoint; got {error}"
            ) from error
        if version != SCHEMA_VERSION:
            raise RunError(
                f"resume: {origin} must be of schema_version {SCHEMA_VERSION}; "
                f"got {version!r}."
            )
        state = {
            k: a for k, a in tensors.items() if not k.startswith((_BEST, _AVERAGE))
        }
        return cls(state=state, position=position, history=history)
