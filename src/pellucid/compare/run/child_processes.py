"""Child processes of a comparison, one for each engine.

What an engine has loaded serves its next cell too, where nothing of what is measured
depends on it.
"""

from __future__ import annotations

import threading
from typing import Self

from pellucid.compare.run.child_process import ChildProcess


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
                self._there[engine] = ChildProcess()
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
