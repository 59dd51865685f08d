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

from pellucid.benchmark.peers import Peer
from pellucid.errors import PellucidError

_PATIENCE_S = 900  # torch.compile takes minutes on a slow machine


class PeerFailure(PellucidError):  # noqa: N818 - the peer's, not ours
    """A peer could not do what it was asked; the message says what it said."""


class PeerProcess:
    """One peer in a process of its own.

    Parameters
    ----------
    peer : Peer
    patience_s : float
        Seconds until an answer that does not come is given up.
    """

    def __init__(self, peer: Peer, *, patience_s: float = _PATIENCE_S) -> None:
        self.peer = peer
        self._patience_s = patience_s
        self._rest = b""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        question_end, self._questions = os.pipe()
        self._answers, answer_end = os.pipe()
        self.started_s = time.perf_counter()
        module = "pellucid.benchmark.worker"
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(question_end), str(answer_end)],
            env={**os.environ, **peer.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
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
            os.write(self._questions, json.dumps(question).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Wait for the answer to what was sent."""
        deadline = time.monotonic() + self._patience_s
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._answers], [], [], max(0.0, left))
            if not ready:
                self.close()
                raise PeerFailure(
                    f"{self.peer.name}: must answer within {self._patience_s:.0f} s; "
                    "got nothing."
                )
            received = os.read(self._answers, 1 << 16)
            if not received:
                raise PeerFailure(self._obituary())
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise PeerFailure(f"{self.peer.name}: {answer['failure']}")
        return answer

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process; nothing of it stays behind."""
        for descriptor in (self._questions, self._answers):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def _obituary(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = f" Its last words: {lines[-1]}" if lines else ""
        return f"{self.peer.name}: must stay alive; got {how}.{last}"
