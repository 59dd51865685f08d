"""Structured log: one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
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
    # ASCII alone: no text can break a line, and every stream can take it
    return json.dumps({"time": now, "event": event, **fields}) + "\n"


class _Events(logging.Handler):
    """What other packages log, as events."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, its traceback in it."""
        said = {"logger": record.name, "message": record.getMessage().strip()}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            said["traceback"] = "".join(traceback.format_exception(error))
        self._log.event(record.levelname.lower(), **said)


@contextmanager
def redirect_logs(log: Log) -> Iterator[None]:
    """Write as events what others would write to stderr in lines of their own.

    That is what packages log (uvicorn, asyncio, gRPC), warnings, and exceptions that
    end a thread.
    """

    def say_thread(ended: threading.ExceptHookArgs) -> None:
        error = ended.exc_value
        said = traceback.format_exception(error) if error is not None else []
        name = ended.thread.name if ended.thread is not None else ""
        log.event("error", thread=name, traceback="".join(said))

    root, handler, former = logging.getLogger(), _Events(log), threading.excepthook
    root.addHandler(handler)
    logging.captureWarnings(True)
    threading.excepthook = say_thread
    try:
        yield
    finally:
        threading.excepthook = former
        logging.captureWarnings(False)
        root.removeHandler(handler)


def check_level(level: str) -> None:
    """Refuse a level that there is none of; RunError."""
    if level not in LEVELS:
        raise RunError(f"serve: log must be one of {', '.join(LEVELS)}; got {level!r}.")
