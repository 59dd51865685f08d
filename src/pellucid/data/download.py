"""Download a file from its official address and check it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, TypeAlias

from pellucid.errors import DataError

Progress: TypeAlias = Callable[[int, int, str], None]

_CHUNK_BYTES: Final = 1 << 18
_TIMEOUT_S: Final = 30.0


def download(
    url: str,
    path: Path,
    *,
    sha256: str,
    size_bytes: int,
    progress: Progress | None = None,
) -> None:
    """Fetch a file, check it, and only then put it in its place.

    Parameters
    ----------
    url : str
        The official address.
    path : Path
        Where the file will lie; its folder is made.
    sha256 : str
        The checksum it must have.
    size_bytes : int
        The size it must have; no more is ever read.
    progress : callable, optional
        Called as progress(bytes so far, bytes in all, what).

    Raises
    ------
    DataError
        If the network or the disk fails, or size or checksum is another one.
    """
    import urllib.request
    from http.client import HTTPException

    from pellucid.storage import open_stage

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response,
            open_stage(path.parent) as stage,
        ):
            with (stage.path / path.name).open("wb") as file:
                got = _copy(response, file, size_bytes, progress, f"downloading {url}")
            _check(url, got, (size_bytes, sha256))
    except (OSError, HTTPException) as error:
        raise DataError(
            f"load: {url} must be within reach and {str(path.parent)!r} writable; "
            f"got {str(error) or type(error).__name__}."
        ) from error


def fetch(
    name: str,
    url: str,
    path: Path,
    official: tuple[int, str],
    progress: Progress | None,
    how_to_get: str,
) -> None:
    """Download a file of a dataset; where that fails, say what else can be done.

    Parameters
    ----------
    name : str
        Of the dataset.
    url, path, progress
        As in `download`.
    official : tuple of int and str
        The size in bytes and the SHA-256 that it must have.
    how_to_get : str
        A sentence: how to have it on this machine.

    Raises
    ------
    DataError
        If it cannot be downloaded.
    """
    size_bytes, sha256 = official
    try:
        download(url, path, sha256=sha256, size_bytes=size_bytes, progress=progress)
    except DataError as error:
        reason = str(error).removeprefix("load: ")
        raise DataError(
            f"load: {name!r} must be on this machine or downloaded; {reason} "
            f"{how_to_get}"
        ) from error


def _copy(
    source: IO[bytes],
    target: IO[bytes],
    size_bytes: int,
    progress: Progress | None,
    what: str,
) -> tuple[int, str]:
    """Copy at most one byte more than the size; return size and SHA-256."""
    digest = hashlib.sha256()
    done = 0
    while chunk := source.read(min(_CHUNK_BYTES, size_bytes + 1 - done)):
        target.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        if progress is not None:
            progress(min(done, size_bytes), size_bytes, what)
    return done, digest.hexdigest()


def _check(url: str, got: tuple[int, str], expected: tuple[int, str]) -> None:
    """Refuse what is not the official file."""
    if got != expected:
        raise DataError(
            f"load: {url} must be the official file of {expected[0]} bytes, SHA-256 "
            f"{expected[1]}; got {got[0]} bytes, SHA-256 {got[1]}."
        )
