"""Stream of requests, answered in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

#: what was taken, in order; None is the end
_Queue: TypeAlias = "asyncio.Queue[asyncio.Task[Any] | None]"
_AHEAD = 64  # requests of a stream that may run or wait


async def in_order(
    requests: AsyncIterator[Any],
    answer: Callable[[Any], Awaitable[Any]],
    stopping: asyncio.Event,
) -> AsyncIterator[Any]:
    """Give an answer for each request, until they end or the server stops.

    A request is taken while those before it run, so that they share batches; what was
    taken is answered.

    Parameters
    ----------
    requests : async iterator
    answer : callable
        Returns an answer, whatever the request; never raises.
    stopping : asyncio.Event
    """
    running: _Queue = asyncio.Queue()
    room = asyncio.Semaphore(_AHEAD)
    alive: set[asyncio.Task[Any]] = set()

    async def take() -> None:
        async for request in requests:
            task = asyncio.ensure_future(answer(request))
            alive.add(task)
            task.add_done_callback(alive.discard)
            running.put_nowait(task)
            await room.acquire()

    taking = asyncio.create_task(take())
    ending = asyncio.create_task(_end(stopping, taking, running))
    try:
        while (task := await running.get()) is not None:
            yield await task
            room.release()
    finally:  # also where the client has gone
        taking.cancel()
        ending.cancel()
        for task in alive:
            task.cancel()
        await asyncio.gather(taking, ending, *alive, return_exceptions=True)


async def _end(
    stopping: asyncio.Event,
    taking: asyncio.Task[None],
    running: _Queue,
) -> None:
    """Put the end behind what was taken, when nothing more is."""
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((taking, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        taking.cancel()
    running.put_nowait(None)
