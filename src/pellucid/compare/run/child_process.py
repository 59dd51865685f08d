"""Child process of a comparison, seen from its parent."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from pellucid.compare.task import Task

_MODULE = "pellucid.compare.worker"


class WorkerError(Exception):
    """The process hung, crashed, or was killed; the message is the cell's reason."""


class ChildProcess:
    """A process that measures one cell after another, with all that it starts.

    It leads a group of its own: whatever it has started ends with it, and Ctrl-C
    reaches its parent alone.
    """

    def __init__(self) -> None:
        self._is_closed = False
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        question_end, self._requests = os.pipe()
        self._responses, answer_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(question_end), str(answer_end)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(question_end, answer_end),
            start_new_session=True,
        )
        os.close(question_end)
        os.close(answer_end)

    def measure(
        self, row: str, tasks: Sequence[Task], *, limit_s: float
    ) -> dict[str, Any]:
        """Return, for each engine, its figures as plain values, or why it failed.

        Raises
        ------
        StationError
            If no answer came within the limit, or the process died. It is of no use
            afterwards.
        """
        question = {"row": row, "tasks": [task.to_json() for task in tasks]}
        with contextlib.suppress(BrokenPipeError):  # reading tells why it died
            os.write(self._requests, json.dumps(question).encode() + b"\n")
        deadline, received = time.monotonic() + limit_s, b""
        while not received.endswith(b"\n"):
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self._responses], [], [], left)[0]
            if not ready:
                self.close()
                raise WorkerError(
                    f"it hung: no answer within its limit of {limit_s:.0f} s."
                )
            piece = os.read(self._responses, 1 << 16)
            if not piece:
                raise WorkerError(self._describe_exit())
            received += piece
        found: dict[str, Any] = json.loads(received)
        return found

    def close(self) -> None:
        """End the process and all that it has started; again: nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        for descriptor in (self._requests, self._responses):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.kill()
        self._process.wait()
        self._output.close()

    def kill(self) -> None:
        """End the process and its children at once; `close` is still due."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _describe_exit(self) -> str:
        code = self._process.wait()
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        self.close()
        last = f" Its last words: {lines[-1]}" if lines else ""
        if code == -signal.SIGKILL:
            return f"it was killed, most likely for want of memory (SIGKILL).{last}"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"it crashed: {how}.{last}"
