"""Child processes of a comparison, one for each engine.

What an engine has loaded serves its next cell too, where nothing of what is measured
depends on it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from typing import Any, Self

from pellucid.benchmark.child_process import ChildFailure, ChildProcess
from pellucid.compare.task import Task

_MODULE = "pellucid.compare.worker"


def measure(
    process: ChildProcess, criterion: str, tasks: Sequence[Task], *, limit_s: float
) -> dict[str, Any]:
    """Return, for each engine, its measurements as plain values, or why it failed.

    Raises
    ------
    WorkerError
        If no answer came within the limit, or the process died. It is of no use
        afterwards.
    """
    request = {"row": criterion, "tasks": [task.to_json() for task in tasks]}
    try:
        return process.ask(request, limit_s=limit_s)
    except ChildFailure as failure:
        raise WorkerError(_explain(failure, limit_s)) from failure


def _explain(failure: ChildFailure, limit_s: float) -> str:
    if failure.exit_code is None:
        return f"it hung: no answer within its limit of {limit_s:.0f} s."
    last = f" Its last words: {failure.last_words}" if failure.last_words else ""
    if failure.exit_code == -signal.SIGKILL:
        return f"it was killed, most likely for want of memory (SIGKILL).{last}"
    return f"it crashed: {failure}.{last}"


class WorkerError(Exception):
    """The process hung, crashed, or was killed; the message is the result's reason."""


class ChildProcesses:
    """Processes by engine; a `with` block ends them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: dict[str, ChildProcess] = {}
        self._used: set[str] = set()
        self.is_stopping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for engine in list(self._there):
            self.end(engine)

    def get(self, engine: str, *, is_fresh: bool) -> ChildProcess:
        """Return the engine's process, begun where there is none.

        Parameters
        ----------
        engine : str
        is_fresh : bool
            Whether it must not have been asked anything before.
        """
        if is_fresh and engine in self._used:
            self.end(engine)
        with self._lock:
            if engine not in self._there:
                self._there[engine] = ChildProcess(_MODULE, leads_group=True)
            self._used.add(engine)
            if self.is_stopping:
                self._there[engine].kill()
            return self._there[engine]

    def end(self, engine: str) -> None:
        """End an engine's process; the next question begins another."""
        with self._lock:
            self._used.discard(engine)
            process = self._there.pop(engine, None)
        if process is not None:
            process.close()

    def stop(self) -> None:
        """End all at once, whatever they do, and those that begin meanwhile."""
        with self._lock:
            self.is_stopping = True
            for process in self._there.values():
                process.kill()
