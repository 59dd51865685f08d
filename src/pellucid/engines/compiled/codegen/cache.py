"""Disk cache of object code, by the hash of IR and processor.

The key is a hash of the IR itself, so code can never be stale. Files appear whole
under their names, so that several processes may start at once. A folder that cannot
be written costs time, not an error.

Code is loaded into the process, so it must be the user's own: folder and files belong
to the user, and nobody else may write them. Another folder is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pellucid.engines.compiled.own_folder import own_folder, read_own

#: old files go once there are more than this many; a large network has 500
KEPT = 10_000
_MAGIC = b"pellucid-code-2\n"
_PART = ".part"  # what is still being written
_STALE_S = 600.0  # longer than any writing takes


def folder() -> Path:
    """Return where code is kept: ``$PELLUCID_CACHE``, or the user's cache."""
    chosen = os.environ.get("PELLUCID_CACHE")
    if chosen:
        return Path(chosen) / "code"
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pellucid" / "code"


def key(*parts: str) -> str:
    """Return the name that code has on disk."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def pack(objects: Sequence[bytes]) -> bytes:
    """Return object files in one piece: each one's length, then its bytes."""
    return b"".join(len(one).to_bytes(8, "little") + one for one in objects)


def unpack(code: bytes) -> list[bytes] | None:
    """Return the object files of a piece, or None if it is not whole."""
    objects, at = [], 0
    while at < len(code):
        end = at + 8 + int.from_bytes(code[at : at + 8], "little")
        if end > len(code):
            return None
        objects.append(code[at + 8 : end])
        at = end
    return objects


def read(name: str) -> bytes | None:
    """Return code kept under a name, or None; a damaged file counts as none."""
    try:
        where = own_folder(folder())
        document = None if where is None else read_own(where, f"{name}.o")
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return None
    head = len(_MAGIC) + 16
    if document is None or document[: len(_MAGIC)] != _MAGIC or len(document) < head:
        return None
    code = document[head:]
    return code if _digest(code) == document[len(_MAGIC) : head] else None


def write(pieces: Mapping[str, bytes]) -> None:
    """Keep code under names, in their order; do nothing where that is not possible."""
    with contextlib.suppress(OSError, RuntimeError):
        where = own_folder(folder(), makes=True)
        if where is None:
            return
        for name, code in pieces.items():
            temporary = where / f"{name}.{os.getpid()}{_PART}"
            try:
                _write_new(temporary, _MAGIC + _digest(code) + code)
                os.replace(temporary, where / f"{name}.o")
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        _drop_old(where)


def _write_new(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)  # of a process that had this number before
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _drop_old(where: Path) -> None:
    files = [(path.stat().st_mtime, path) for path in where.glob("*.o")]
    for _, path in sorted(files)[:-KEPT]:
        path.unlink(missing_ok=True)
    for path in where.glob(f"*{_PART}"):
        if time.time() - path.stat().st_mtime > _STALE_S:  # its process was killed
            path.unlink(missing_ok=True)


def _digest(code: bytes) -> bytes:
    return hashlib.blake2b(code, digest_size=16).digest()
