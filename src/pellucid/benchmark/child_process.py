"""Child processes that answer requests, seen from both ends.

Messages are lines of JSON over two pipes of their own, for frameworks write what they
like to stdout and stderr. A child is started as ``python -m MODULE IN OUT``, with two
file descriptors; its module calls `answer_requests`.
"""

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
from collections.abc import Callable, Mapping
from typing import Any

Message = dict[str, Any]


class ChildFailure(Exception):  # noqa: N818 - the child's, not ours
    """A child process gave no answer; the message says how it ended.

    Attributes
    ----------
    exit_code : int or None
        As `subprocess` gives it: -9 for SIGKILL; None where it was silent for too
        long.
    last_words : str
        The last line that it wrote to stdout or stderr.
    """

    def __init__(
        self, message: str, *, exit_code: int | None = None, last_words: str = ""
    ) -> None:
        super().__init__(message)
        self.exit_code, self.last_words = exit_code, last_words


class ChildProcess:
    """A process that answers one request after the other.

    Parameters
    ----------
    module : str
        What it runs.
    environment : mapping, optional
        Variables that it starts with, beside those of its parent.
    leads_group : bool
        Whether all that it starts ends with it; Ctrl-C then reaches its parent alone.
    """

    def __init__(
        self,
        module: str,
        *,
        environment: Mapping[str, str] | None = None,
        leads_group: bool = False,
    ) -> None:
        self._is_closed, self._leads_group = False, leads_group
        self._buffer = b""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        request_end, self._requests = os.pipe()
        self._responses, response_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(request_end), str(response_end)],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(request_end, response_end),
            start_new_session=leads_group,
        )
        os.close(request_end)
        os.close(response_end)

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(self, request: Message, *, limit_s: float) -> Message:
        """Send a request and return the answer.

        Raises
        ------
        ChildFailure
            If none comes within the limit, or the process dies. It is closed then.
        """
        self.send(request)
        return self.receive(limit_s=limit_s)

    def send(self, request: Message) -> None:
        """Send a request; `receive` is due next."""
        with contextlib.suppress(BrokenPipeError):  # receive tells why it died
            os.write(self._requests, json.dumps(request).encode() + b"\n")

    def receive(self, *, limit_s: float) -> Message:
        """Wait for the answer to what was sent."""
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if not (left > 0 and select.select([self._responses], [], [], left)[0]):
                self.close()
                raise ChildFailure(f"no answer within {limit_s:.0f} s")
            received = os.read(self._responses, 1 << 16)
            if not received:
                raise self._find_death()
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: Message = json.loads(line)
        return answer

    def kill(self) -> None:
        """End the process at once, with its group; `close` is still due."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._leads_group:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def close(self) -> None:
        """End the process; nothing of it stays behind. Again: nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        for descriptor in (self._requests, self._responses):
            os.close(descriptor)
        if not self._leads_group:  # requests have ended, and so does it by itself
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        self.kill()
        self._process.wait()
        self._output.close()

    def _find_death(self) -> ChildFailure:
        code = self._process.wait()
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        self.close()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        words = lines[-1] if lines else ""
        return ChildFailure(how, exit_code=code, last_words=words)


def answer_requests(
    answer: Callable[[Message], Message],
    *,
    default: Callable[[Any], Any] | None = None,
) -> None:
    """Answer until the requests end; for the module that a child runs.

    Parameters
    ----------
    answer : callable
        Takes a request, returns its answer, both plain values.
    default : callable, optional
        As `json.dumps` takes it.
    """
    requests = os.fdopen(int(sys.argv[1]), "r", encoding="utf-8")
    responses = os.fdopen(int(sys.argv[2]), "w", encoding="utf-8")
    for line in requests:
        responses.write(json.dumps(answer(json.loads(line)), default=default) + "\n")
        responses.flush()
