"""The lock of a run's folder, and names that were taken before their run begins."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pellucid.errors import RunError
from pellucid.storage.locks import try_lock, unlock

LOCK = ".lock"
_BYTES = 32  # a process's number is shorter
_TRIES = 100  # to take a lock in a folder that others make and remove

#: folders that this process took under a new name: path → descriptor of the lock
_claimed: dict[Path, int] = {}


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keep other processes out; the lock goes with the process, however it ends.

    Raises
    ------
    RunError
        If another process has it, or the disk is full.
    """
    descriptor = _claimed.pop(folder.absolute(), None)
    if descriptor is None:
        descriptor = _acquire(folder)
    if descriptor is None:
        raise RunError(
            f"run: '{folder}' must not be in use; got a lock of process "
            f"{_owner(folder)}. Wait for it, or end it."
        )
    try:
        _sign(folder, descriptor)
        yield
    finally:
        unlock(descriptor)


def claim(folder: Path) -> bool:
    """Make a folder and take its lock until a run begins; False where it is taken.

    Raises
    ------
    RunError
        If the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise write_error(folder, error) from error
    if folder.absolute() in _claimed:
        return False
    descriptor = _acquire(folder)
    if descriptor is None:
        return False
    _claimed[folder.absolute()] = descriptor
    return True


def is_claimed(folder: Path) -> bool:
    """Return whether this process has taken the name, and no run has begun in it."""
    return folder.absolute() in _claimed


def release(folder: Path) -> None:
    """Give a name back in which no run has begun."""
    unlock(_claimed.pop(folder.absolute(), None))


def write_error(folder: Path, error: OSError) -> RunError:
    """Return the error for a folder that cannot be written."""
    return RunError(
        f"run: folder '{folder}' must be writable; got {error.strerror or error}."
    )


def _acquire(folder: Path) -> int | None:
    """Return the descriptor of a lock that is ours now; None where it is another's."""
    for _ in range(_TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # its owner has removed the folder meanwhile
            continue
        except OSError as error:
            raise write_error(folder, error) from error
        if try_lock(descriptor) is False:
            os.close(descriptor)
            return None
        if _is_there(folder / LOCK, descriptor):
            return descriptor
        unlock(descriptor)
    return None


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _owner(folder: Path) -> str:
    try:
        text = (folder / LOCK).read_bytes()[:_BYTES].decode("ascii", "replace")
    except OSError:
        text = ""
    return text.strip() or "unknown"


def _sign(folder: Path, descriptor: int) -> None:
    """Write into the lock whose it is."""
    try:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, str(os.getpid()).encode())
    except OSError as error:
        raise write_error(folder, error) from error
