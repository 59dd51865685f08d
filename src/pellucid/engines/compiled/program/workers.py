"""Worker threads, started once and shared by all sessions.

The thread that calls is worker 0. The others live inside compiled code (which holds
no GIL), look out for the next job for a moment and then sleep in a read from a pipe.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from ctypes import c_int64, c_void_p

import numpy as np

from pellucid.engines.compiled.codegen import KernelModule, compiler
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.kernels import threads
from pellucid.errors import EngineError


class Pool:
    """So many workers; the calling thread is one of them.

    Parameters
    ----------
    count : int
        Workers, the caller included.
    target : Target
    """

    def __init__(self, count: int, target: Target) -> None:
        self.count = count
        self._target = target
        self._lock = threading.Lock()
        self._pid = 0

    def run(self, function: int, context: int) -> None:
        """Run a job on all workers; ``function`` and ``context`` are addresses.

        Raises
        ------
        EngineError
            If the threads cannot be started.
        """
        with self._lock:
            if self._pid != os.getpid():
                self._start()
            self._submit(self._pool, function, context, self._write_end)

    def _start(self) -> None:
        """Start the threads; after a fork there are none, and they start anew.

        All of them or none: what a failed start leaves would wait for ever.
        """
        unit = KernelModule(
            lanes=self._target.lanes,
            registers=self._target.registers,
            is_x86=self._target.is_x86,
        )
        unit.define("work", threads.work, None)
        unit.define("submit", threads.submit, None)
        library = compiler.load(unit, self._target, what="the workers' loop")
        work = library.function("work", c_void_p, c_int64, c_int64)
        self._submit = library.function("submit", c_void_p, c_int64, c_int64, c_int64)
        self._close_inherited()
        try:
            self._team = _Team(work, self.count)
        except (RuntimeError, OSError, MemoryError) as error:
            raise EngineError(
                "engine 'compiled': threads must be startable; got "
                f"{str(error) or type(error).__name__}. "
                "Take fewer: pl.engines.compiled(threads=1)."
            ) from error
        self._pool, self._write_end = self._team.address, self._team.write_end
        self._pid = os.getpid()

    def _close_inherited(self) -> None:
        """Close a forked process's copies of its parent's pipe."""
        if self._pid:
            self._team.close_pipe()
            self._pid = 0


class _Team:
    """The started threads of a pool, the memory they watch and their pipe.

    Raises
    ------
    RuntimeError, OSError, MemoryError
        If there is no thread, no pipe or no memory to be had; nothing is left then.
    """

    def __init__(self, work: Callable[..., None], count: int) -> None:
        self._memory = np.zeros(threads.POOL_SLOTS + 8, np.int64)
        address = self._memory.ctypes.data
        self.address = address + (-address) % 64
        self._read_end, self.write_end = os.pipe()
        self._pipe = _identity(self.write_end)
        self._threads: list[threading.Thread] = []
        try:
            for worker in range(1, count):
                thread = threading.Thread(
                    target=work,
                    args=(self.address, worker, self._read_end),
                    name=f"pellucid-{worker}",
                    daemon=True,
                )
                self._threads.append(thread)
                thread.start()
        except BaseException:
            self._stop()
            raise

    def _stop(self) -> None:
        """Let all threads return, wait until they have, and close the pipe."""
        slots = self._memory[(self.address - self._memory.ctypes.data) // 8 :]
        slots[threads.OPEN] = threads.CLOSING
        left = [thread for thread in self._threads if thread.is_alive()]
        while left:
            slots[threads.GENERATION] += 1
            os.write(self.write_end, bytes(len(left)))  # for those that sleep
            left[0].join(timeout=0.1)
            left = [thread for thread in left if thread.is_alive()]
        self.close_pipe()

    def close_pipe(self) -> None:
        """Close the pipe, unless its numbers stand for other files by now."""
        for end in (self._read_end, self.write_end):
            if _identity(end) == self._pipe:
                os.close(end)


def _identity(descriptor: int) -> tuple[int, int] | None:
    """Return which file a descriptor stands for; None where it is closed."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


_pools: dict[tuple[int, str], Pool] = {}


def pool(count: int, target: Target) -> Pool:
    """Return the pool of so many workers that all sessions share."""
    return _pools.setdefault((count, target.key), Pool(count, target))


def forget_lock() -> None:
    """Give every pool a new lock in a child process: its old one may be held."""
    for one in _pools.values():
        one._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_lock)
