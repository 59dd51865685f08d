"""This file is the folder of a run: its files, and who may write them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pellucid.errors import RunError
from pellucid.runs.tensor_file import write_bytes
from pellucid.training import EpochRecord, History

RUNS = Path("runs")


class RunFolder:
    """``recipe.toml``, ``history.jsonl``, ``checkpoint.safetensors`` and the rest."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.toml"
        self.history = self.path / "history.jsonl"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.best = self.path / "best.pellucid"
        self.last = self.path / "last.pellucid"
        self.curves = self.path / "curves.png"

    @property
    def has_begun(self) -> bool:
        """True where there is something to resume."""
        return self.checkpoint.exists()

    def create(self) -> None:
        """Make the folder.

        Raises
        ------
        RunError
            If it cannot be made, or holds things that are not a run's.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            foreign = any(self.path.iterdir()) and not self.recipe.exists()
        except OSError as error:
            raise RunError(
                f"run: folder '{self.path}' must be writable; got {error.strerror}."
            ) from error
        if foreign and not self._is_only_ours():
            raise RunError(
                f"run: '{self.path}' must be an empty or a run's folder; got other "
                "files in it. Choose another name."
            )

    def _is_only_ours(self) -> bool:
        return all(entry.name.startswith(".") for entry in self.path.iterdir())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; the lock goes with the process, however it ends.

        Raises
        ------
        RunError
            If another process trains in this folder.
        """
        try:
            import fcntl
        except ImportError:  # Windows has no flock; the folder is not guarded there
            yield
            return
        with self._lock_file() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    f"run: '{self.path}' must not be in use; got a lock of process "
                    f"{file.read().strip() or 'unknown'}. Wait for it, or end it."
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _lock_file(self) -> IO[str]:
        try:
            file = (self.path / ".lock").open("a+", encoding="utf-8")
            file.seek(0)
        except OSError as error:
            raise RunError(
                f"run: folder '{self.path}' must be writable; got {error.strerror}."
            ) from error
        return file

    def rewrite_history(self, history: History) -> None:
        """Cut the file back to the epochs of a checkpoint."""
        lines = "".join(json.dumps(dict(record)) + "\n" for record in history)
        write_bytes(self.history, lines.encode())

    def append_history(self, record: EpochRecord) -> None:
        """Add an epoch's line."""
        try:
            with self.history.open("a", encoding="utf-8") as file:
                file.write(json.dumps(dict(record)) + "\n")
        except OSError as error:
            raise RunError(
                f"run: '{self.history}' must be writable; got {error.strerror}."
            ) from error


def find(run: str | Path) -> Path:
    """Return where RUN lies: a ``.pellucid`` file, a run folder, or a name in runs/.

    Raises
    ------
    RunError
        If there is none.
    """
    for path in (Path(run), RUNS / str(run)):
        if path.is_file() or (path.is_dir() and (path / "recipe.toml").exists()):
            return path
    known = sorted(p.parent.name for p in RUNS.glob("*/recipe.toml"))
    listed = f"there are {', '.join(known)}" if known else "there is none yet"
    raise RunError(
        f"run: must be a run folder, a name under runs/ or a .pellucid file; "
        f"got '{run}' ({listed})."
    )


def model_path(run: str | Path) -> Path:
    """Return the model file of RUN: the file itself, or the folder's best, or last.

    Raises
    ------
    RunError
        If the run has no model yet.
    """
    path = find(run)
    if path.is_file():
        return path
    folder = RunFolder(path)
    for candidate in (folder.best, folder.last):
        if candidate.exists():
            return candidate
    raise RunError(
        f"run: '{path}' must hold best.pellucid or last.pellucid; got neither. "
        "Let it finish an epoch."
    )


def new_name(stem: str) -> Path:
    """Return a folder under runs/ that does not exist: stem, stem-2, stem-3 …"""
    path, count = RUNS / stem, 1
    while path.exists():
        count += 1
        path = RUNS / f"{stem}-{count}"
    return path
