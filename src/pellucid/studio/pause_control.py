"""Pause control: run, pause, single step, stop."""

from __future__ import annotations

import threading

from pellucid.renamed import former_names


class PauseControl:
    """Let trainings run, hold them, let them do single steps, or end them."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._is_paused = False
        self._is_ending = False
        self._allowed = 0
        self._waiting = 0

    @property
    def is_paused(self) -> bool:
        """True where trainings stand still."""
        return self._is_paused

    def holds(self, count: int) -> bool:
        """Whether so many trainings have done their step and wait for the next."""
        with self._condition:
            return self._is_paused and not self._allowed and self._waiting == count

    def pause(self) -> None:
        """Hold every training after its step."""
        with self._condition:
            self._is_paused = True

    def resume(self) -> None:
        """Let every training run."""
        with self._condition:
            self._is_paused, self._allowed = False, 0
            self._condition.notify_all()

    def step(self, lanes: int) -> None:
        """Let each of so many trainings do one step, then hold it."""
        with self._condition:
            self._is_paused = True
            self._allowed += lanes
            self._condition.notify_all()

    def end(self) -> None:
        """End every training after its step."""
        with self._condition:
            self._is_ending = True
            self._condition.notify_all()

    def passes(self) -> bool:
        """Wait until the next step may be done; False where there is none."""
        with self._condition:
            while self._is_paused and not self._allowed and not self._is_ending:
                self._waiting += 1
                self._condition.wait()
                self._waiting -= 1
            if self._is_paused and self._allowed:
                self._allowed -= 1
            return not self._is_ending


__getattr__ = former_names(__name__, {"Gate": "PauseControl"})
