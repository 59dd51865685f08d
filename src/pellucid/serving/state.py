"""State of a running server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pellucid.serving.logs import Log
from pellucid.serving.repository import Repository, Source
from pellucid.serving.security import Guard
from pellucid.serving.settings import Settings

if TYPE_CHECKING:
    from pellucid.serving.metrics import Metrics


#: so long nobody has asked where it is quiet
QUIET_S = 0.2


class State:
    """A server's models, counters and log, from start to stop.

    Parameters
    ----------
    sources : iterable of Source
        What is served.
    settings : Settings
    log : Log
    metrics : Metrics
    follows : bool
        Whether a run that improves is loaded again.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        settings: Settings,
        log: Log,
        *,
        metrics: Metrics,
        follows: bool = False,
    ) -> None:
        self.settings = settings
        self.log = log
        self.metrics = metrics
        self.guard = Guard(settings)
        self.repository = Repository(sources, settings, log, self.metrics.batch)
        self.stopping = asyncio.Event()
        self.grpc_address: str | None = None  # where gRPC is answered, if it is
        self.at_stop: list[Callable[[], None]] = []  # may take their time
        self._follows = follows
        self._tasks: list[asyncio.Task[None]] = []
        self._is_started = False
        self._last_answer = time.perf_counter()

    async def start(self) -> None:
        """Load the models; PellucidError if one cannot be."""
        if self._is_started:
            return
        self._is_started = True
        await self.repository.load_all()
        self._tasks.append(asyncio.create_task(self._flush_log()))
        if self._follows:
            self._tasks.append(asyncio.create_task(self.repository.follow()))
        self._last_answer = time.perf_counter()

    async def stop(self) -> None:
        """Finish what was taken and let everything go."""
        self.stopping.set()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        for end in self.at_stop:
            await asyncio.to_thread(end)
        await self.repository.close()
        self.log.event("stopped")
        self._is_started = False

    @property
    def is_ready(self) -> bool:
        """True where requests are taken and every model answers."""
        return (
            self._is_started and not self.stopping.is_set() and self.repository.is_ready
        )

    @property
    def is_quiet(self) -> bool:
        """True where nobody has asked for a moment."""
        return time.perf_counter() - self._last_answer > QUIET_S

    def answered(self, label: str, status: int, start: float, **said: str) -> None:
        """Count and log a request that began at ``start``, of `time.perf_counter`."""
        self._last_answer = now = time.perf_counter()
        seconds = now - start
        self.metrics.answered(label, status, seconds)
        self.log.request(status, **said, milliseconds=round(1000 * seconds, 3))

    async def _flush_log(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self.log.flush()
