"""Zip files, read without trusting what they say about themselves."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pellucid.errors import DataError
from pellucid.regular_file import check_regular_file

if TYPE_CHECKING:
    import zipfile

ENTRY_LIMIT_BYTES: Final = 256 * 2**20
UNPACKED_LIMIT_BYTES: Final = 2**30
UNPACKED_LIMIT_RATIO: Final = 200

_ENCRYPTED = 0x1


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip after its table of contents has been checked.

    Parameters
    ----------
    path : Path
        The zip (or .npz) file.

    Returns
    -------
    zipfile.ZipFile
        The caller closes it. Its names have "/" between folders and no "./", whoever
        wrote it.

    Raises
    ------
    DataError
        If the file is no zip, an entry is encrypted or named so that it would lie
        outside, its entries overlap, or they announce more than 1 GiB and more than
        200 times the size of the file.
    """
    import zipfile

    try:
        check_regular_file(path)
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise DataError(
            f"load: {str(path)!r} must be a file that can be read; "
            f"got {error.strerror or error}."
        ) from error
    except Exception as error:  # a damaged table ends in any of a dozen
        raise DataError(
            f"load: {str(path)!r} must be a whole zip file; got {_reason(error)}."
        ) from error
    try:
        _name_plainly(archive)
        _check(archive, path)
    except BaseException:
        archive.close()
        raise
    return archive


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read one entry, never more than it announces or than the limit.

    The limit is for what is compressed; what is not can be as large as the file.

    Raises
    ------
    DataError
        If the entry is too large, damaged, missing or compressed in an unknown way.
    """
    where = f"{Path(archive.filename or 'zip').name}/{name}"
    try:
        info = archive.getinfo(name)
        if info.file_size > max(ENTRY_LIMIT_BYTES, info.compress_size):
            raise DataError(
                f"load: {where!r} must have at most {ENTRY_LIMIT_BYTES} bytes; "
                f"got {info.file_size}."
            )
        with archive.open(info) as entry:
            return entry.read(info.file_size + 1)
    except KeyError as error:
        raise DataError(
            f"load: {where!r} must be in the zip; got no such entry."
        ) from error
    except DataError:
        raise
    except Exception as error:  # each way of compression has exceptions of its own
        raise DataError(
            f"load: {where!r} must be a whole entry of the zip; got {_reason(error)}."
        ) from error


def _name_plainly(archive: zipfile.ZipFile) -> None:
    """Undo backslashes and "./", which some programs write; of two the last counts."""
    for entry in archive.infolist():
        first, *rest = entry.filename.replace("\\", "/").split("/")
        inner = [part for part in rest[:-1] if part not in (".", "")]
        parts = [first, *inner, *rest[-1:]]
        entry.filename = "/".join(parts[1:] if first == "." else parts)
    entries = archive.infolist()
    archive.NameToInfo = {e.filename: e for e in entries if e.filename not in (".", "")}
    archive.filelist = list(archive.NameToInfo.values())


def _check(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse encrypted entries, names that lead out of the archive, and a bomb."""
    entries = archive.infolist()
    for entry in entries:
        parts = PurePosixPath(entry.filename)
        if parts.is_absolute() or ".." in parts.parts:
            raise DataError(
                f"load: {str(path)!r} must hold names inside it; "
                f"got the entry {entry.filename!r}, which leads out."
            )
        if entry.flag_bits & _ENCRYPTED:
            raise DataError(
                f"load: {str(path)!r} must not be encrypted; "
                f"got the encrypted entry {entry.filename!r}."
            )
    packed, size = sum(entry.compress_size for entry in entries), path.stat().st_size
    if packed > size:
        raise DataError(
            f"load: {str(path)!r} must hold its entries side by side; got {packed} "
            f"bytes of entries in {size} bytes. It may be a zip bomb."
        )
    unpacked = sum(entry.file_size for entry in entries)
    limit = max(UNPACKED_LIMIT_BYTES, UNPACKED_LIMIT_RATIO * size)
    if unpacked > limit:
        raise DataError(
            f"load: {str(path)!r} must unpack to at most {limit} bytes; "
            f"got {unpacked}. It may be a zip bomb; unpack it to a folder to use it."
        )


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")
