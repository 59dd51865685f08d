"""This file is compiled code on disk: one file for each text of IR and processor.

The key is a hash of the IR itself, so code can never be stale. Files appear whole
under their names, so that several processes may start at once. A folder that cannot
be written costs time, not an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

#: old files go once there are more than this many
KEPT = 200
_MAGIC = b"pellucid-code-1\n"


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


def read(name: str) -> bytes | None:
    """Return code kept under a name, or None; a damaged file counts as none."""
    try:
        document = (folder() / f"{name}.o").read_bytes()
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return None
    head = len(_MAGIC) + 16
    if document[: len(_MAGIC)] != _MAGIC or len(document) < head:
        return None
    code = document[head:]
    return code if _digest(code) == document[len(_MAGIC) : head] else None


def write(name: str, code: bytes) -> None:
    """Keep code under a name; do nothing where that is not possible."""
    with contextlib.suppress(OSError, RuntimeError):
        where = folder()
        where.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=where, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + _digest(code) + code)
            os.replace(temporary, where / f"{name}.o")
        except OSError:
            os.unlink(temporary)
            raise
        _drop_old(where)


def _drop_old(where: Path) -> None:
    files = [(path.stat().st_mtime, path) for path in where.glob("*.o")]
    for _, path in sorted(files)[:-KEPT]:
        path.unlink(missing_ok=True)


def _digest(code: bytes) -> bytes:
    return hashlib.blake2b(code, digest_size=16).digest()
