"""Timing of single calls, with garbage collection held back."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def time_calls(
    call: Callable[[int], Any], count: int, *, warm: int = 0, start: int = 0
) -> list[float]:
    """Time calls one by one.

    Parameters
    ----------
    call : callable
        Takes a running number, so that it can go through its batches.
    count : int
        Calls that are timed.
    warm : int
        Calls before them that are not: other processes have used the caches.
    start : int
        The first number.

    Returns
    -------
    list of float
        Seconds of each call.
    """
    for i in range(start, start + warm):
        call(i)
    first, clock = start + warm, time.perf_counter
    times = []
    with pause_garbage_collector():
        for i in range(first, first + count):
            begin = clock()
            call(i)
            times.append(clock() - begin)
    return times


@contextmanager
def pause_garbage_collector() -> Iterator[None]:
    """Keep Python's garbage collector from running inside a measurement."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
