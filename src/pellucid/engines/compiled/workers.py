"""This file is the worker threads: started once, shared by all sessions.

The thread that calls is worker 0. The others live inside compiled code (which holds
no GIL), look out for the next job for a moment and then sleep in a read from a pipe.
"""

from __future__ import annotations

import os
import threading
from ctypes import c_int64, c_void_p

import numpy as np

from pellucid.engines.compiled import compiler
from pellucid.engines.compiled.cpu import Target
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.kernels.ir import Unit
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
        """Start the threads; after a fork there are none, and they start anew."""
        unit = Unit(
            lanes=self._target.lanes,
            registers=self._target.registers,
            is_x86=self._target.is_x86,
        )
        unit.define("work", threads.work, None)
        unit.define("submit", threads.submit, None)
        library = compiler.load(unit, self._target, what="the workers' loop")
        self._memory = np.zeros(threads.POOL_SLOTS + 8, np.int64)
        address = self._memory.ctypes.data
        self._pool = address + (-address) % 64
        read_end, self._write_end = os.pipe()
        work = library.function("work", c_void_p, c_int64, c_int64)
        self._submit = library.function("submit", c_void_p, c_int64, c_int64, c_int64)
        try:
            for worker in range(1, self.count):
                threading.Thread(
                    target=work,
                    args=(self._pool, worker, read_end),
                    name=f"pellucid-{worker}",
                    daemon=True,
                ).start()
        except RuntimeError as error:
            raise EngineError(
                f"engine 'compiled': threads must be startable; got {error}. "
                "Take fewer: pl.engines.compiled(threads=1)."
            ) from error
        self._pid = os.getpid()


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
