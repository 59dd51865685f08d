"""Locks on folders: held by a process, and gone with it, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

_LONGEST_WAIT_S = 60.0  # for another process that puts its files in place
_POLL_S = 0.01
_HELD = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)


def open_folder(folder: Path) -> int | None:
    """Return a descriptor of a folder; None where the system has none of folders."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return None
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def try_lock(descriptor: int | None) -> bool | None:
    """Take an exclusive lock; False where another has it, None where there are none.

    Some file systems, and Windows, have no locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    if descriptor is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD else None
    return True


def unlock(descriptor: int | None) -> None:
    """Give a lock back, also for children that inherited the descriptor."""
    if descriptor is None:
        return
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let one process at a time put files in place in a folder.

    Raises
    ------
    OSError
        If the folder cannot be opened, or another process does not end within a
        minute.
    """
    descriptor = open_folder(folder)
    end = time.monotonic() + _LONGEST_WAIT_S
    try:
        while try_lock(descriptor) is False:
            if time.monotonic() > end:
                raise TimeoutError(
                    errno.ETIMEDOUT, "another process that writes there does not end"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        unlock(descriptor)
