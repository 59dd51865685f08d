"""Put a file or folder in the place of another, in one step where there is one."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder itself, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def put(source: Path, target: Path, replaced: Path) -> None:
    """Move source to target; a folder that was there goes to ``replaced``.

    Raises
    ------
    OSError
        If the disk or the permissions do not allow it.
    """
    if not is_folder(source):
        os.replace(source, target)
        return
    if is_folder(target) and _exchange(source, target):
        os.rename(source, replaced)
        return
    if os.path.lexists(target):
        os.rename(target, replaced)
    os.rename(source, target)


def _exchange(first: Path, second: Path) -> bool:
    """Let two names change places at once; False where the system cannot."""
    exchange = _renameat2()
    if exchange is None:
        return False
    pair = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    return exchange(*pair, _RENAME_EXCHANGE) == 0


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    import ctypes
    import sys

    if sys.platform != "linux":
        return None
    try:
        function = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):  # an older C library
        return None
    number, text = ctypes.c_int, ctypes.c_char_p
    function.argtypes = (number, text, number, text, ctypes.c_uint)
    function.restype = number
    return function
