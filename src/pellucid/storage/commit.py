"""Several files of a folder that change together, or not at all.

New files are written to a stage, ``.pellucid-pending/<token>/new``, and flushed. One
rename to ``.pellucid-pending/commit`` is the commit point. Then each file moves to
its place, and the stage goes. A process that dies before the rename leaves a stage
that the next start removes; one that dies after it leaves a commit that the next
start carries out. A stage belongs to the process that holds a lock on it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pellucid.errors import RunError
from pellucid.storage.interrupts import defer_interrupts
from pellucid.storage.locks import lock_folder, open_folder, try_lock, unlock
from pellucid.storage.swap import is_folder, put

#: where files lie that are not in their place yet
PENDING = ".pellucid-pending"
_COMMIT, _NEW, _OLD, _FOLDERS = "commit", "new", "old", "folders.json"
_STALE_S = 24 * 3600.0  # where there are no locks, older stages belong to nobody


class Stage:
    """Files that are to appear in a folder together.

    Attributes
    ----------
    path : Path
        Where to write them, under the names they will have.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self.path = place / _NEW
        self._folder = folder
        self._place = place
        #: what was written last, for messages
        self.at = folder
        self.is_committed = False

    def write(self, name: str, content: bytes) -> None:
        """Write one of the files; ``name`` may lie in a folder of its own.

        Raises
        ------
        OSError
            If the disk is full.
        """
        self.at = self._folder / name
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.write(content)

    def drop(self, name: str) -> None:
        """Take one of the folders back."""
        _remove(self.path / name)

    def commit(self) -> None:
        """Put all files in place; a Ctrl-C waits for the end of it.

        Raises
        ------
        OSError
            If the disk is full; where `is_committed`, the next start goes on.
        """
        names = sorted(os.listdir(self.path))
        if not names:
            return
        for name in names:
            target = self._folder / name
            if is_folder(target) and not is_folder(self.path / name):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _flush_tree(self.path)
        with defer_interrupts(), lock_folder(self._folder):
            _finish(self._folder)  # what another process left comes first
            if len(names) == 1 and not is_folder(self.path / names[0]):
                os.replace(self.path / names[0], self._folder / names[0])
                _flush(self._folder)
                return
            self._note_folders(names)
            _flush(self._place)
            os.replace(self._place, self._folder / PENDING / _COMMIT)
            self.is_committed = True
            _flush(self._folder / PENDING)
            _flush(self._folder)
            _finish(self._folder)

    def _note_folders(self, names: list[str]) -> None:
        """Note which folders are the new ones: an exchange leaves the old name."""
        inodes = {
            name: (self.path / name).stat().st_ino
            for name in names
            if is_folder(self.path / name)
        }
        if inodes:
            file = self._place / _FOLDERS
            file.write_text(json.dumps(inodes), encoding="utf-8")
            _flush(file)


@contextmanager
def open_stage(folder: Path) -> Iterator[Stage]:
    """Let files of a folder be written together.

    What the block writes to the stage is in the folder when the block ends. Where it
    fails, the folder is as it was.

    Parameters
    ----------
    folder : Path
        A folder that exists. What died processes left in it is repaired first.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written.
    """
    _repair(folder)
    place, descriptor = _new_place(folder)
    try:
        stage = Stage(folder, place)
        yield stage
        stage.commit()
    finally:
        _remove(place)  # where it was not committed
        unlock(descriptor)
        with contextlib.suppress(OSError):
            os.rmdir(folder / PENDING)


def recover(folder: Path) -> bool:
    """Carry out what a died process had committed, and remove what it had not.

    Returns
    -------
    bool
        Whether files were put in place.

    Raises
    ------
    RunError
        If the folder cannot be written; its files do not belong together then.
    """
    if not os.path.lexists(folder / PENDING):
        return False
    try:
        return _repair(folder)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(
            f"files: '{folder}' must be writable, for a write that was cut off must "
            f"be finished before anything is read; got {reason}."
        ) from error


def _repair(folder: Path) -> bool:
    """As `recover`, with the system's errors."""
    pending, is_done = folder / PENDING, False
    if not os.path.lexists(pending):
        return False
    _check_owner(folder, pending)
    if os.path.lexists(pending / _COMMIT):
        with defer_interrupts(), lock_folder(folder):
            is_done = _finish(folder)
    with contextlib.suppress(OSError):
        _sweep(pending)
    return is_done


def _check_owner(folder: Path, pending: Path) -> None:
    """Refuse to put in place what a stranger laid into a shared folder."""
    if not hasattr(os, "geteuid"):
        return
    owner = os.lstat(pending).st_uid
    if owner not in (os.geteuid(), folder.stat().st_uid):
        raise PermissionError(
            errno.EPERM, f"'{PENDING}' in it, which belongs to user {owner}"
        )


def _finish(folder: Path) -> bool:
    """Move the files of a commit to their places; return whether there were any."""
    commit = folder / PENDING / _COMMIT
    if not commit.is_dir():
        return False
    new, old = commit / _NEW, commit / _OLD
    names = sorted(os.listdir(new)) if new.is_dir() else []
    fresh = _fresh_folders(commit) if names else {}
    for name in names:
        source = new / name
        if is_folder(source):
            old.mkdir(exist_ok=True)
            if fresh.get(name) != source.stat().st_ino:  # exchanged already
                os.rename(source, old / name)
                continue
        try:
            put(source, folder / name, old / name)
        except FileNotFoundError:
            if os.path.lexists(source):  # else another process did, without locks
                raise
    _flush(folder)
    _remove(commit)
    return bool(names)


def _remove(folder: Path) -> None:
    """Remove a folder as far as that is possible; the next start tries again."""
    import shutil  # slow to import; reading needs none

    shutil.rmtree(folder, ignore_errors=True)


def _fresh_folders(commit: Path) -> dict[str, int]:
    file = commit / _FOLDERS
    if not file.exists():
        return {}
    inodes: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    return inodes


def _new_place(folder: Path) -> tuple[Path, int | None]:
    """Make a stage of this process's own, and lock it."""
    pending = folder / PENDING
    while True:
        with contextlib.suppress(FileExistsError):
            os.mkdir(pending)
        place = pending / os.urandom(8).hex()
        descriptor: int | None = None
        try:
            os.mkdir(place)
            descriptor = open_folder(place)
            if try_lock(descriptor) is not False:
                os.mkdir(place / _NEW)
                return place, descriptor
        except FileNotFoundError:  # another process swept it before it was locked
            unlock(descriptor)
            continue
        except BaseException:
            unlock(descriptor)
            _remove(place)
            with contextlib.suppress(OSError):
                os.rmdir(pending)
            raise
        unlock(descriptor)


def _sweep(pending: Path) -> None:
    """Remove the stages of processes that are gone."""
    for name in os.listdir(pending):
        if name == _COMMIT:
            continue
        place = pending / name
        with contextlib.suppress(OSError):
            descriptor = open_folder(place)
            try:
                is_free = try_lock(descriptor)
                if is_free or (is_free is None and _is_stale(place)):
                    _remove(place)
            finally:
                unlock(descriptor)
    os.rmdir(pending)


def _is_stale(place: Path) -> bool:
    return time.time() - place.stat().st_mtime > _STALE_S


def _flush_tree(folder: Path) -> None:
    """Bring a folder and all that is in it to the disk."""
    for path, _, names in os.walk(folder):
        for name in names:
            _flush(Path(path, name))
        _flush(Path(path))


def _flush(path: Path) -> None:
    descriptor = open_folder(path) if path.is_dir() else os.open(path, os.O_RDWR)
    if descriptor is None:  # Windows cannot flush a folder
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
