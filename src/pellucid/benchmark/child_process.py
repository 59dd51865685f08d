"""Child process of a contender, seen from its parent.

Messages are lines of JSON over two pipes of their own, for frameworks write what they
like to stdout and stderr.
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
from typing import Any

from pellucid.benchmark.contenders import Contender
from pellucid.errors import PellucidError

_TIMEOUT_S = 900  # torch.compile takes minutes on a slow machine


class ContenderFailure(PellucidError):  # noqa: N818 - the peer's, not ours
    """A peer could not do what it was asked; the message says what it said."""


class ChildProcess:
    """One peer in a process of its own.

    Parameters
    ----------
    peer : Peer
    timeout_s : float
        Seconds until an answer that does not come is given up.
    """

    def __init__(self, contender: Contender, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.contender = contender
        self._timeout_s = timeout_s
        self._buffer = b""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        question_end, self._requests = os.pipe()
        self._responses, answer_end = os.pipe()
        self.started_s = time.perf_counter()
        module = "pellucid.benchmark.worker"
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(question_end), str(answer_end)],
            env={**os.environ, **contender.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(question_end, answer_end),
        )
        os.close(question_end)
        os.close(answer_end)

    def ask(self, **question: Any) -> dict[str, Any]:
        """Send a question and return the answer.

        Raises
        ------
        PeerFailure
            If the peer says so, dies, or does not answer in time.
        """
        self.send(**question)
        return self.receive()

    def send(self, **question: Any) -> None:
        """Send a question; `receive` is due next."""
        with contextlib.suppress(BrokenPipeError):  # receive tells why it died
            os.write(self._requests, json.dumps(question).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Wait for the answer to what was sent."""
        deadline = time.monotonic() + self._timeout_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._responses], [], [], max(0.0, left))
            if not ready:
                self.close()
                raise ContenderFailure(
                    f"{self.contender.name}: must answer within "
                    f"{self._timeout_s:.0f} s; got nothing."
                )
            received = os.read(self._responses, 1 << 16)
            if not received:
                raise ContenderFailure(self._describe_exit())
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise ContenderFailure(f"{self.contender.name}: {answer['failure']}")
        return answer

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process; nothing of it stays behind."""
        for descriptor in (self._requests, self._responses):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def _describe_exit(self) -> str:
        code = self._process.wait()
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = f" Its last words: {lines[-1]}" if lines else ""
        return f"{self.contender.name}: must stay alive; got {how}.{last}"
