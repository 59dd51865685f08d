"""Dynamic batching of concurrent requests."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.serving.errors import RequestError, too_busy, too_slow
from pellucid.serving.settings import Batching

Array = npt.NDArray[Any]
#: an array, or one for each input or output where a network has several
Arrays = Array | tuple[Array, ...]
Run = Callable[[Any], Any]
Observe = Callable[[int, float], None]


class _Ticket(NamedTuple):
    images: Arrays
    answer: asyncio.Future[Arrays]


class Batcher:
    """Run a function over batches in a thread of its own.

    Requests come from one event loop. While a batch runs, others wait; what waits
    then runs at once, up to ``batching.size`` images. Nothing is locked: the thread
    takes from a queue, and the loop alone counts.

    Parameters
    ----------
    run : callable
        ``run(images) -> output``, both with the batch as first axis, or tuples of
        such arrays.
    batching : Batching
        Size, delay and how many may wait.
    observe : callable
        ``observe(images, seconds)`` after each batch.
    """

    def __init__(
        self, run: Run, batching: Batching, observe: Observe | None = None
    ) -> None:
        self._run = run
        self._batching = batching
        self._observe = observe or _observe_nothing
        self._tickets: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._held: _Ticket | None = None
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._is_open = True
        self.waiting = 0  # images that wait or run
        threading.Thread(target=self._work, name="batches", daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether images are taken: until `close`."""
        return self._is_open

    async def submit(self, images: Arrays, time_limit_s: float) -> Arrays:
        """Return the output for images, shape (n, …).

        Raises
        ------
        RequestError
            429 where too many wait, 504 where the time is up, 503 after `close`.
        """
        count = count_of(images)
        if not self._is_open:
            raise RequestError(
                "serve: the model must be loaded; got it unloading.", status=503
            )
        if self.waiting + count > self._batching.queue:
            raise too_busy(self.waiting, self._batching.queue)
        self.waiting += count
        answer = self._loop.create_future()
        answer.add_done_callback(lambda _: self._leave(count))
        timer = self._loop.call_later(time_limit_s, _expire, answer, time_limit_s)
        self._tickets.put(_Ticket(images, answer))
        try:
            output: Arrays = await answer
            return output
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Take nothing more, finish what was taken, and end the thread."""
        if self._is_open:
            self._is_open = False
            self._tickets.put(None)
        await self._ended
        self._run = _return_unchanged  # lets go of the model, and of whoever counts
        self._observe = _observe_nothing

    def _leave(self, count: int) -> None:
        self.waiting -= count

    def _work(self) -> None:
        """Run batches until `close`; this is the thread."""
        while (batch := self._take()) is not None:
            start = time.perf_counter()
            outcome = self._outcome(batch)
            seconds = time.perf_counter() - start
            self._tell(self._deliver, batch, outcome, seconds)
        self._tell(self._ended.set_result, None)

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        """Call something in the loop; where that is gone nobody waits any more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, *arguments)

    def _take(self) -> list[_Ticket] | None:
        """Wait for a ticket and take what else there is; None at the end."""
        first = self._held or self._tickets.get()
        self._held = None
        if first is None:
            return None
        batch, room = [first], self._batching.size - count_of(first.images)
        until = time.perf_counter() + self._batching.delay_s
        while room > 0:
            try:
                ticket = self._next(until)
            except queue.Empty:
                break
            if ticket is None or count_of(ticket.images) > room:
                self._hold(ticket)
                break
            batch.append(ticket)
            room -= count_of(ticket.images)
        return batch

    def _next(self, until: float) -> _Ticket | None:
        left = until - time.perf_counter()
        if left > 0:
            return self._tickets.get(timeout=left)
        return self._tickets.get_nowait()

    def _hold(self, ticket: _Ticket | None) -> None:
        """Keep for the next batch what did not fit; the end goes back to the end."""
        if ticket is None:
            self._tickets.put(None)
        else:
            self._held = ticket

    def _outcome(self, batch: list[_Ticket]) -> Arrays | Exception:
        """Run a batch, without those whose clients have gone."""
        batch[:] = [ticket for ticket in batch if not ticket.answer.done()]
        if not batch:
            return np.zeros((0,))
        images = [ticket.images for ticket in batch]
        try:
            with np.errstate(all="ignore"):  # what is not finite is said in words
                found: Arrays = self._run(_join(images))
                return found
        except Exception as error:  # noqa: BLE001 - it goes to the clients
            return error

    def _deliver(
        self, batch: list[_Ticket], outcome: Arrays | Exception, seconds: float
    ) -> None:
        start = 0
        for ticket in batch:
            answer, end = ticket.answer, start + count_of(ticket.images)
            if not answer.done():
                if isinstance(outcome, Exception):
                    answer.set_exception(outcome)
                else:
                    answer.set_result(_cut(outcome, slice(start, end)))
            start = end
        self._observe(start, seconds)


def count_of(images: Arrays) -> int:
    """Return how many examples arrays hold."""
    return len(images[0] if isinstance(images, tuple) else images)


def _join(parts: list[Arrays]) -> Any:
    """Return the parts' arrays one behind the other, of each input."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return np.concatenate(parts)


def _cut(output: Arrays, some: slice) -> Arrays:
    if isinstance(output, tuple):
        return tuple(array[some] for array in output)
    return output[some]


def _expire(answer: asyncio.Future[Arrays], seconds: float) -> None:
    if not answer.done():
        answer.set_exception(too_slow(seconds))


def _return_unchanged(images: Arrays) -> Arrays:
    """Stand where a model was; nothing comes here any more."""
    return images


def _observe_nothing(images: int, seconds: float) -> None:
    """Observe nothing."""
