"""Folder of a run: its files, and its lock."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

from pellucid.errors import RunError
from pellucid.runs.run_lock import (
    LOCK,
    claim,
    is_claimed,
    release,
    run_lock,
    write_error,
)
from pellucid.storage import PENDING, recover
from pellucid.training import EpochRecord, History

RUNS = Path("runs")


class RunFolder:
    """``recipe.toml``, ``history.jsonl``, ``checkpoint.safetensors`` and the rest.

    Parameters
    ----------
    path : str or Path
        The folder; it need not exist yet.
    """

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
        """Make the folder, and repair what a died process left in it.

        Raises
        ------
        RunError
            If it cannot be made, or holds things that are not a run's.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            recover(self.path)
            foreign = not self.recipe.exists() and not self.is_empty
        except OSError as error:
            raise write_error(self.path, error) from error
        if foreign:
            raise RunError(
                f"run: '{self.path}' must be an empty or a run's folder; got other "
                "files in it. Choose another name."
            )

    @property
    def is_empty(self) -> bool:
        """True where nothing but a lock and the like is in it."""
        return all(entry.name.startswith(".") for entry in self.path.iterdir())

    def discard(self) -> None:
        """Give a new name back; remove its folder if no run has begun in it."""
        if not is_claimed(self.path):
            return
        with contextlib.suppress(OSError):
            if self.is_empty and not (self.path / PENDING).exists():
                (self.path / LOCK).unlink(missing_ok=True)
                self.path.rmdir()
                RUNS.rmdir()  # where this was the first
        release(self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; the lock goes with the process, however it ends.

        Yields
        ------
        None
            While the lock is held.

        Raises
        ------
        RunError
            If another process trains in this folder, or the disk is full.
        """
        with run_lock(self.path):
            recover(self.path)
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove temporary files that a former version left where it was killed."""
        own = (self.recipe, self.history, self.checkpoint, self.best, self.last)
        for path in (*own, self.curves):
            for left in self.path.glob(f".{path.name}.*.tmp"):
                with contextlib.suppress(OSError):
                    left.unlink()

    def append_history(self, record: EpochRecord) -> None:
        """Add an epoch's line, or none of it where the disk is full.

        Parameters
        ----------
        record : mapping of str to float
            Of one epoch.
        """
        line = (json.dumps(dict(record)) + "\n").encode()
        try:
            with self.history.open("ab", buffering=0) as file:
                size = file.seek(0, os.SEEK_END)
                try:
                    if file.write(line) != len(line):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError:
                    file.truncate(size)
                    raise
        except OSError as error:
            raise RunError(
                f"run: '{self.history}' must be writable; got {error.strerror}."
            ) from error


def history_bytes(history: History) -> bytes:
    """Return the content of ``history.jsonl``: a line per epoch."""
    return "".join(json.dumps(dict(record)) + "\n" for record in history).encode()


def find(run: str | Path) -> Path:
    """Return where RUN lies: a ``.pellucid`` file, a run folder, or a name in runs/.

    Parameters
    ----------
    run : str or Path
        As typed.

    Returns
    -------
    Path
        An existing file or folder.

    Raises
    ------
    RunError
        If there is none.
    """
    for path in (Path(run), RUNS / str(run)):
        recover(path)
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

    Parameters
    ----------
    run : str or Path
        As in `find`.

    Returns
    -------
    Path
        An existing file.

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
    """Return a new folder under runs/ that is this process's own.

    It is the first of stem, stem-2, stem-3 … that holds nothing and that no other
    process has taken. It stays taken until a run begins in it or the process ends.

    Parameters
    ----------
    stem : str
        Usually the recipe's name.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    RunError
        If it cannot be made.
    """
    path, count = RUNS / stem, 1
    while not _take(path):
        count += 1
        path = RUNS / f"{stem}-{count}"
    return path


def _take(path: Path) -> bool:
    """Take a name, if it is free."""
    if path.is_dir():
        recover(path)
        if not RunFolder(path).is_empty:
            return False
    elif os.path.lexists(path):
        return False
    if not claim(path):
        return False
    if RunFolder(path).is_empty:
        return True
    release(path)
    return False
