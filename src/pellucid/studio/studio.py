"""State of the studio: its model and the training in progress."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from pellucid.runs.recipe import Recipe
from pellucid.serving.errors import RequestError
from pellucid.serving.state import State
from pellucid.studio.live_training import LiveTraining, TrainingRequest

if TYPE_CHECKING:
    from fastapi import APIRouter

    from pellucid.studio.shared_model import SharedModel


class Studio:
    """What the studio holds besides the model: the training that is going on."""

    def __init__(self, bench: SharedModel, state: State) -> None:
        self.bench = bench
        self.state = state
        self.lesson: LiveTraining | None = None
        self.count = 0  # lessons so far, so that pages notice a new one
        self._turn = asyncio.Lock()  # of whoever begins or stops
        self._lock = threading.Lock()  # of whoever makes or ends a lesson
        self._is_over = False

    def router(self) -> APIRouter:
        """Return the routes of the studio's page."""
        from pellucid.studio.routes import router  # FastAPI, which is slow to import

        return router(self)

    async def begin(self, wish: TrainingRequest) -> None:
        """Begin a training; what is going on ends first.

        Raises
        ------
        PellucidError
            If it does not fit; what is going on goes on then.
        RequestError
            503 where the server is stopping.
        """
        async with self._turn:
            recipe = await asyncio.to_thread(wish.recipe, self.bench.run)
            await asyncio.to_thread(self._exchange, wish, recipe)

    async def stop(self) -> None:
        """Stop the training, also one that is about to begin; RequestError if none."""
        async with self._turn:
            await asyncio.to_thread(self.current().end)

    def start(self, wish: TrainingRequest) -> None:
        """Begin a training; what is going on ends first. PellucidError as `begin`."""
        self._exchange(wish, wish.recipe(self.bench.run))

    def _exchange(self, wish: TrainingRequest, recipe: Recipe) -> None:
        with self._lock:
            if self.lesson is not None:
                self.lesson.end()
            if self._is_over:
                raise RequestError(
                    "studio: a training must begin before the server stops; got a "
                    "server that stops.",
                    status=503,
                )
            self.lesson = LiveTraining(wish, self.bench, recipe)
            self.count += 1

    def end(self) -> None:
        """End what goes on for good, and wait until that has happened."""
        with self._lock:
            self._is_over = True
            if self.lesson is not None:
                self.lesson.end()

    def current(self) -> LiveTraining:
        """Return the training; RequestError if there was none."""
        if self.lesson is None:
            raise RequestError(
                "studio: a training must have begun; got none.", status=409
            )
        return self.lesson
