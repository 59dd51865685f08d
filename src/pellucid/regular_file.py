"""Regular files: the only kind of file that is read.

A named pipe blocks whoever opens it, a device such as ``/dev/zero`` never ends, and
both look like empty files. Every path that a user gives, and every file in a folder
that a user gives, is therefore opened here.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

_KINDS: Final = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotRegularFileError(OSError):
    """A path leads to a pipe, a socket or a device."""


def open_regular_file(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; links are followed.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    binary file
        The caller closes it.

    Raises
    ------
    OSError
        If the file cannot be opened; `NotRegularFileError` if it is a pipe, a socket
        or a device, `IsADirectoryError` if it is a folder.
    """
    check_regular_file(path)  # opening a device may already do something to it
    file = open(path, "rb", opener=_open)  # noqa: SIM115 - handed to the caller
    try:
        _check(os.fstat(file.fileno()), path)  # it may be another one by now
    except OSError:
        file.close()
        raise
    return file


def check_regular_file(path: str | Path) -> None:
    """Refuse a path that leads to anything but a regular file.

    Raises
    ------
    OSError
        As `open_regular_file`.
    """
    _check(os.stat(path), path)


def read_regular_file(path: str | Path, limit_bytes: int | None = None) -> bytes:
    """Read a regular file whole.

    Parameters
    ----------
    path : str or Path
        The file.
    limit_bytes : int, optional
        The most that it may hold.

    Raises
    ------
    OSError
        As `open_regular_file`; also if the file holds more than the limit.
    """
    with open_regular_file(path) as file:
        if limit_bytes is None:
            return file.read()
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > limit_bytes else file.read(limit_bytes + 1)
        if max(size, len(content)) > limit_bytes:
            reason = f"more than {limit_bytes} bytes"
            raise OSError(errno.EFBIG, reason, str(path))
        return content


def read_regular_text(path: str | Path) -> str:
    """Read a regular file of UTF-8 text.

    Raises
    ------
    OSError
        As `open_regular_file`.
    UnicodeDecodeError
        If it is not UTF-8.
    """
    return read_regular_file(path).decode("utf-8").replace("\r\n", "\n")


def _open(path: str, flags: int) -> int:
    """Open without waiting for whoever writes into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check(status: os.stat_result, path: str | Path) -> None:
    """Refuse what is no regular file."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    kind = next((name for test, name in _KINDS if test(mode)), "something else")
    reason = f"{kind}, not a regular file"
    raise NotRegularFileError(errno.EINVAL, reason, str(path))
