"""Ctrl-C that waits for a write to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Hold SIGINT back for the block, and raise it once, after.

    Signals are handled in the main thread only; in another nothing needs to be held
    back.
    """
    is_main = threading.current_thread() is threading.main_thread()
    former = signal.getsignal(signal.SIGINT) if is_main else None
    if former is None:  # another thread, or a handler that Python did not install
        yield
        return
    is_pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal is_pressed
        del number, frame
        is_pressed = True

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
        if is_pressed:
            signal.raise_signal(signal.SIGINT)
