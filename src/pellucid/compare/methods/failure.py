"""Failure as a measurement: not installed, or the error."""

from __future__ import annotations

from pellucid.compare.measurement import Measurement
from pellucid.errors import MissingExtraError


def describe_failure(
    name: str, error: Exception, *, value: str | bool = "fails"
) -> Measurement:
    """Return the figure of an attempt that ended by an error.

    Where a package is missing nothing was tried, and there is no value; else it is
    the given one, with the error's first line and, on request, all of it.
    """
    if isinstance(error, (ModuleNotFoundError, MissingExtraError)):
        return Measurement(name=name, value=None, note=f"Not tried here: {error}")
    note = first_line(error, 240)
    return Measurement(name=name, value=value, note=note, detail=str(error)[:4000])


def first_line(error: Exception, limit: int = 200) -> str:
    """Return an error's kind and its first line that is not empty, cut to a limit."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:limit] if lines else ''}"
