"""This file is what the studio holds: its model, and the training that goes on."""

from __future__ import annotations

import asyncio

from pellucid.serving.refusal import RequestError
from pellucid.serving.state import State
from pellucid.serving.studio.lesson import Lesson, Wish
from pellucid.serving.studio.workbench import Workbench


class Studio:
    """What the studio holds besides the model: the training that is going on."""

    def __init__(self, bench: Workbench, state: State) -> None:
        self.bench = bench
        self.state = state
        self.lesson: Lesson | None = None
        self.count = 0  # lessons so far, so that pages notice a new one

    async def begin(self, wish: Wish) -> None:
        """Begin a training; what is going on ends first."""
        await asyncio.to_thread(self.end)
        self.start(wish)

    def start(self, wish: Wish) -> None:
        """Begin a training where none goes on."""
        self.lesson = Lesson(wish, self.bench)
        self.count += 1

    def end(self) -> None:
        """End what goes on, and wait until that has happened."""
        if self.lesson is not None:
            self.lesson.end()

    def current(self) -> Lesson:
        """Return the training; RequestError if there was none."""
        if self.lesson is None:
            raise RequestError(
                "studio: a training must have begun; got none.", status=409
            )
        return self.lesson
