"""Broken pictures: all of them in one sentence, or left out on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from pellucid.errors import DataError

#: by the name of each picture that cannot be read, the sentence that says why
Broken: TypeAlias = Mapping[str, str]

_SHOWN: Final = 20
_ADVICE: Final = "leave them out with skip_broken=True (--skip-broken)"


def broken_error(broken: Broken) -> DataError:
    """Return the error that names every broken picture, up to a number.

    Parameters
    ----------
    broken : mapping of str to str
        Reasons by name; at least one.
    """
    if len(broken) == 1:
        reason = next(iter(broken.values()))
        return DataError(f"{reason} Or {_ADVICE}.")
    return DataError(
        f"load: pictures must be whole; got {len(broken)} that cannot be read: "
        f"{describe_broken(broken)}. Mend or remove them, or {_ADVICE}."
    )


def describe_broken(broken: Broken) -> str:
    """Return the names of broken pictures with what is wrong, up to a number."""
    shown = [
        f"{name!r} ({_got(reason)})" for name, reason in list(broken.items())[:_SHOWN]
    ]
    more = len(broken) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _got(reason: str) -> str:
    """Return what an error's sentence says that came."""
    return (reason.partition("; got ")[2] or reason).rstrip(".")
