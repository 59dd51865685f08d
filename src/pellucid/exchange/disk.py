"""This file is how exports reach the disk: all their files, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pellucid.errors import ExchangeError, RunError
from pellucid.regular_file import read_regular_file
from pellucid.runs.tensor_file import write_bytes

SIZE_LIMIT_BYTES = 2**31 - 1  # what a protobuf may have; other files keep to it too


def checked_size(path: Path) -> int:
    """Return the size of a file in bytes.

    Raises
    ------
    ExchangeError
        If there is no such file, or it has more than 2 GiB.
    """
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such regular file"
        raise ExchangeError(f"import: '{path}' must be a file; got {got}.")
    size = path.stat().st_size
    if size > SIZE_LIMIT_BYTES:
        raise ExchangeError(
            f"import: '{path}' must have at most {SIZE_LIMIT_BYTES} bytes; got {size}."
        )
    return size


def read_bytes(path: Path) -> bytes:
    """Return a file's content; ExchangeError if it is too large or unreadable."""
    checked_size(path)
    try:
        return read_regular_file(path)
    except OSError as error:
        raise ExchangeError(
            f"import: '{path}' must be readable; got {error.strerror or error}."
        ) from error


def write_files(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write files side by side in the folder of ``path``.

    Raises
    ------
    ExchangeError
        If the disk does not take them; then none is there that was not before.
    """
    fresh = [path.parent / n for n in contents if not (path.parent / n).exists()]
    try:
        for name, content in contents.items():
            write_bytes(path.parent / name, content)
    except RunError as error:
        for made in fresh:
            made.unlink(missing_ok=True)
        raise ExchangeError(f"export: {str(error).removeprefix('save: ')}") from error


def write_folder(path: Path, contents: Mapping[str, bytes], *, marker: str) -> None:
    """Write a folder; one that is there is replaced if it holds the marker file.

    Raises
    ------
    ExchangeError
        If another folder or file is in the way, or the disk does not take it.
    """
    path = Path(os.path.abspath(path))  # as tempfile has it for files
    is_ours = not path.exists() or (path / marker).exists()
    if not is_ours and (not path.is_dir() or any(path.iterdir())):
        raise ExchangeError(
            f"export: '{path}' must be a new folder, or one with {marker}; got "
            "something else. Choose another name."
        )
    try:
        new = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            _fill(new, contents)
            _replace(path, new)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise ExchangeError(
            f"export: '{path}' must be writable; got {error.strerror or error}. "
            "What was there before is unchanged."
        ) from error


def _fill(folder: Path, contents: Mapping[str, bytes]) -> None:
    os.chmod(folder, 0o755)
    for name, content in contents.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _replace(path: Path, new: Path) -> None:
    if not path.exists():
        new.rename(path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    path.rename(old / "was")
    try:
        new.rename(path)
    except OSError:
        (old / "was").rename(path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
