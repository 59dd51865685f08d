"""The boundary of reading data: whatever a damaged file does ends in a DataError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pellucid.errors import DataError, PellucidError


@contextmanager
def damage_of(source: object, what: str = "data that can be read") -> Iterator[None]:
    """Turn every other exception into a DataError that names the file.

    The libraries that parse files raise dozens of exceptions on damaged ones
    (TokenError, RecursionError, struct.error, MemoryError …), and add to them; so none
    is listed here.

    Parameters
    ----------
    source : path or str
        What is read.
    what : str
        What it must be.

    Raises
    ------
    DataError
        Instead of the exception.
    """
    try:
        yield
    except PellucidError:
        raise
    except Exception as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        got = f"{type(error).__name__}{f': {reason}' if reason else ''}"
        raise DataError(f"load: {str(source)!r} must be {what}; got {got}.") from error
