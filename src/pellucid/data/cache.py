"""The user's cache folder, and how to write to it safely."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Return the user's cache folder for pellucid; it need not exist.

    ``$XDG_CACHE_HOME/pellucid``, by default ``~/.cache/pellucid``; on Windows
    ``%LOCALAPPDATA%\\pellucid``.
    """
    if os.name == "nt" and "LOCALAPPDATA" in os.environ:
        return Path(os.environ["LOCALAPPDATA"]) / "pellucid"
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named and Path(named).is_absolute():
        return Path(named) / "pellucid"
    return Path(os.path.expanduser("~")) / ".cache" / "pellucid"


def data_folders(name: str) -> tuple[Path, ...]:
    """Return where a dataset of this name is looked for, best first.

    ``$PELLUCID_DATA/<name>``, Debian's ``/usr/share/datasets/<name>``, the user's
    cache.
    """
    own = os.environ.get("PELLUCID_DATA", "")
    first = (Path(own) / name,) if own else ()
    return (*first, Path("/usr/share/datasets") / name, cache_folder() / name)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Fill a temporary folder that becomes the target all at once.

    Nothing is left behind when the block fails, and what a killed process left is
    removed by the next one. A target that appeared in the meantime stays: another
    process made the same one.

    Parameters
    ----------
    target : Path
        The folder to make; its parents are made too.

    Yields
    ------
    Path
        The folder to write to.

    Raises
    ------
    OSError
        If the disk is full or must not be written to.
    """
    from pellucid.storage import open_stage

    target.parent.mkdir(parents=True, exist_ok=True)
    with open_stage(target.parent) as stage:
        folder = stage.path / target.name
        folder.mkdir()
        yield folder
        if target.is_dir():
            stage.drop(target.name)
