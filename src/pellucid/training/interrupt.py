"""Ctrl-C while training, held until the step ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """Note the first Ctrl-C instead of raising; a second one raises at once.

    Signals can be caught in the main thread only; elsewhere nothing is changed.
    """

    def __init__(self) -> None:
        self.is_pressed = False
        self._former: Any = None
        self._is_active = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGINT, self._note)
            self._is_active = True
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.is_pressed:
            raise KeyboardInterrupt
        self.is_pressed = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_active:
            signal.signal(signal.SIGINT, self._former)
