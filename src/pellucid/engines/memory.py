"""Refusals of what does not fit into memory, before it is allocated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pellucid.data.memory import available_memory_bytes
from pellucid.errors import EngineError

P = ParamSpec("P")
T = TypeVar("T")

#: bytes up to which nobody asks the system
SMALL = 16 << 20


def require_memory(what: str, needed: int, *, got: str = "", advice: str) -> None:
    """Check that so many bytes may still be taken by this process.

    Parameters
    ----------
    what : str
        Who, and what must fit: the beginning of the sentence.
    needed : int
        Bytes that are about to be allocated.
    got : str
        What the caller gave, where the bytes alone do not say it.
    advice : str
        What to do.

    Raises
    ------
    EngineError
        If the machine, the container or the process's limits leave less.
    """
    if needed <= SMALL:
        return
    available = available_memory_bytes()
    if needed > available:
        raise EngineError(
            f"{what} must fit into memory; got {got}{needed:,} bytes, "
            f"where {available:,} are available. {advice}"
        )


def refuse_without_memory(engine: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a method raise EngineError where memory runs out in it."""

    def wrap(method: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(method)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return method(*args, **kwargs)
            except MemoryError as error:
                name = method.__name__.lstrip("_")
                raise EngineError(
                    f"engine '{engine}': {name} must fit into memory; "
                    f"got {str(error) or 'no more memory'}. Take fewer images at once."
                ) from error

        return guarded

    return wrap
