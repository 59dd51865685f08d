"""A folder whose files only the user can have written.

Where the system has no owners of files (Windows), the user's profile guards them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import sys
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_FOLDER_FLAGS = (
    os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
)
_FILE_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def own_folder(path: Path, *, makes: bool = False) -> Path | None:
    """Return the folder if its files can be trusted; say once why they cannot.

    A folder of the user's that others could write so far is emptied, and closed to
    them.

    Parameters
    ----------
    path : Path
    makes : bool
        Whether to make it, for the user alone.

    Raises
    ------
    OSError
        If it does not exist or cannot be made.
    """
    if not hasattr(os, "geteuid"):
        if makes:
            path.mkdir(parents=True, exist_ok=True)
        return path
    if makes and not os.path.lexists(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process did
            path.mkdir(mode=0o700)
    status = path.lstat()
    reason = _stranger(status)
    if reason is not None:
        _say_once(path, reason)
        return None
    if stat.S_IMODE(status.st_mode) & 0o077:
        if status.st_mode & _OTHERS_WRITE:
            _empty(path)
        path.chmod(0o700)
    return path


def read_own(folder: Path, name: str) -> bytes | None:
    """Return a file's content; None where somebody else may have written it.

    Raises
    ------
    OSError
        If it does not exist or cannot be read.
    """
    if not hasattr(os, "geteuid"):
        return (folder / name).read_bytes()
    # by descriptors: what is checked is what is read
    place = os.open(folder, _FOLDER_FLAGS)
    try:
        if _stranger(os.fstat(place)) is not None:
            return None
        descriptor = os.open(name, _FILE_FLAGS, dir_fd=place)
    finally:
        os.close(place)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        return file.read() if is_own and not status.st_mode & _OTHERS_WRITE else None


def _stranger(status: os.stat_result) -> str | None:
    """Return why a folder is not the user's own; None where it is."""
    if stat.S_ISLNK(status.st_mode):
        return "a link"
    if not stat.S_ISDIR(status.st_mode):
        return "no folder"
    if status.st_uid != os.geteuid():
        return f"a folder of user {status.st_uid}"
    return None


def _empty(folder: Path) -> None:
    """Remove code that others may have put there."""
    for path in folder.glob("*.o"):
        path.unlink(missing_ok=True)


@functools.cache
def _say_once(path: Path, reason: str) -> None:
    sys.stderr.write(
        f"compiled code is not kept: '{path}' must be the user's own folder; got "
        f"{reason}. Set PELLUCID_CACHE to another place.\n"
    )
