"""Prefetching in a background thread."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import SimpleQueue
from typing import Final, TypeAlias, TypeVar

T = TypeVar("T")


class _End:
    """The last thing in the queue, with the exception if there was one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


_Queue: TypeAlias = "SimpleQueue[T | _End]"
_Room: TypeAlias = "SimpleQueue[None]"
_NAME: Final = "pellucid-prefetch"


def prefetch(source: Generator[T, None, None], ahead: int) -> Iterator[T]:
    """Run a generator in a thread, a few items ahead of its reader.

    Parameters
    ----------
    source : generator
        Makes the items. It is closed in the thread that ran it.
    ahead : int
        Most items that are ready and not yet read; 0 runs without a thread.

    Yields
    ------
    object
        The items in order. An exception in the source comes out here.

    Notes
    -----
    The thread starts with the first item that is asked for, and has ended when this
    iterator is exhausted, closed, collected, or has raised. It waits for nothing but
    room in the queue, and closing makes room.
    """
    if ahead <= 0:
        yield from source
        return
    queue: _Queue[T] = SimpleQueue()
    room: _Room = SimpleQueue()  # a token a place; quicker than a semaphore
    for _ in range(ahead):
        room.put(None)
    stop = threading.Event()
    thread = threading.Thread(
        target=_fill, args=(source, queue, room, stop), name=_NAME, daemon=True
    )
    thread.start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            room.put(None)
            yield item
    finally:
        stop.set()
        room.put(None)
        if thread is not threading.current_thread():  # where a collection may run us
            thread.join()


def _fill(
    source: Generator[T, None, None],
    queue: _Queue[T],
    room: _Room,
    stop: threading.Event,
) -> None:
    """Put items into the queue until there are no more or nobody wants them."""
    end = _End()
    try:
        room.get()
        while not stop.is_set():
            try:
                item = next(source)
            except StopIteration:
                break
            queue.put(item)
            del item
            room.get()
    except BaseException as error:  # noqa: BLE001 — it is raised again by the reader
        end = _End(error)
    finally:
        try:
            source.close()
        finally:
            queue.put(end)
