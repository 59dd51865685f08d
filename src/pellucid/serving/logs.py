"""This file is the server's log: a JSON object a line, for programs to read."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime
from typing import IO, Any

from pellucid.errors import RunError

LEVELS = ("requests", "events", "none")
_FLUSH_LINES = 256


class Log:
    """Write events and requests; lines are gathered and written a few at a time.

    Parameters
    ----------
    level : {"requests", "events", "none"}
        Everything; all but requests that went well; nothing.
    file : text file, optional
        stderr if left out.
    """

    def __init__(self, level: str = "requests", file: IO[str] | None = None) -> None:
        self._takes_requests = level == "requests"
        self._takes_events = level != "none"
        self._file = file or sys.stderr
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def event(self, event: str, **fields: Any) -> None:
        """Write something that happened, at once."""
        if self._takes_events:
            self._lines.append(_line(event, fields))
            self.flush()

    def request(self, status: int, **fields: Any) -> None:
        """Write an answered request; `flush` follows within a second."""
        if self._takes_requests or (self._takes_events and status >= 500):
            self._lines.append(_line("request", {"status": status, **fields}))
            if len(self._lines) >= _FLUSH_LINES:
                self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        with self._lock:
            lines, self._lines = self._lines, []
            if not lines:
                return
            try:
                self._file.write("".join(lines))
                self._file.flush()
            except (OSError, ValueError):  # nobody reads the log: serve on
                self._takes_requests = self._takes_events = False


def _line(event: str, fields: dict[str, Any]) -> str:
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
    return (
        json.dumps({"time": now, "event": event, **fields}, ensure_ascii=False) + "\n"
    )


def check_level(level: str) -> None:
    """Refuse a level that there is none of; RunError."""
    if level not in LEVELS:
        raise RunError(f"serve: log must be one of {', '.join(LEVELS)}; got {level!r}.")
