"""Read and write exchanged files: size limits, and all files of an export or none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pellucid.errors import ExchangeError, RunError
from pellucid.regular_file import read_regular_file
from pellucid.storage import writing

SIZE_LIMIT_BYTES = 2**31 - 1  # what a protobuf may have; other files keep to it too


def check_size(path: Path) -> int:
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
    check_size(path)
    try:
        return read_regular_file(path)
    except OSError as error:
        raise ExchangeError(
            f"import: '{path}' must be readable; got {error.strerror or error}."
        ) from error


class Contents(NamedTuple):
    """The files of one export: of a folder where there is a marker to know it by."""

    files: Mapping[str, bytes]
    marker: str | None = None


def write_sets(exports: Mapping[Path, Contents]) -> None:
    """Write several exports into one folder, all of them or none.

    Parameters
    ----------
    exports : mapping of Path to Contents
        By the path of the export's main file, or of its folder.

    Raises
    ------
    ExchangeError
        If something else is in the way, or the disk does not take them.
    """
    # without "..": the folder before it need not exist
    places = {Path(os.path.abspath(path)): e for path, e in exports.items()}
    for path, export in places.items():
        if export.marker is not None:
            _check_replaceable(path, export.marker)
    _check_distinct([e.files for e in places.values() if e.marker is None])
    for path, export in places.items():
        if export.marker is None:
            _check_own(path, export.files)
    first = next(iter(places))
    try:
        with writing(first.parent, at=first) as stage:
            for path, (files, marker) in places.items():
                if marker is not None:
                    (stage.path / path.name).mkdir()
                for name, content in files.items():
                    place = name if marker is None else f"{path.name}/{name}"
                    stage.write(place, content)
    except RunError as error:
        raise ExchangeError(f"export: {str(error).removeprefix('save: ')}") from error


def _check_distinct(exports: Sequence[Mapping[str, bytes]]) -> None:
    """Refuse exports of which one would overwrite a file of another."""
    owners: dict[str, str] = {}
    for files in exports:
        main = next(iter(files))
        for name in files:
            if name in owners:
                raise ExchangeError(
                    "export: formats written into one folder must have files of "
                    f"different names; got '{name}' of both '{owners[name]}' and "
                    f"'{main}'. Write them into two folders."
                )
            owners[name] = main


def _check_own(path: Path, files: Mapping[str, bytes]) -> None:
    """Refuse to replace a file beside which this export's main file is missing."""
    if path.exists() or len(files) == 1:
        return
    for name in files:
        place = path.with_name(name)
        if place.exists() and name != path.name:
            raise ExchangeError(
                f"export: '{place}' must come with '{path.name}' to be replaced; got "
                "a file of another export. Write into another folder."
            )


def _check_replaceable(path: Path, marker: str) -> None:
    """Refuse to replace a folder that is no export."""
    is_ours = not path.exists() or (path / marker).exists()
    if not is_ours and (not path.is_dir() or any(path.iterdir())):
        raise ExchangeError(
            f"export: '{path}' must be a new folder, or one with {marker}; got "
            "something else. Choose another name."
        )
