"""One contender in a process of its own."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from pellucid.benchmark.case import Case
from pellucid.benchmark.child_process import ChildFailure, ChildProcess
from pellucid.benchmark.contenders import Contender
from pellucid.errors import PellucidError

_TIMEOUT_S = 900  # torch.compile takes minutes on a slow machine


class ContenderFailure(PellucidError):  # noqa: N818 - the contender's, not ours
    """A contender could not do what it was asked; the message says what it said."""


class ContenderProcess:
    """A contender's process; each request raises `ContenderFailure` if it fails.

    Parameters
    ----------
    contender : Contender
    timeout_s : float
        Seconds until an answer that does not come is given up.
    """

    def __init__(self, contender: Contender, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.contender, self._timeout_s = contender, timeout_s
        module = "pellucid.benchmark.worker"
        self._process = ChildProcess(module, environment=contender.environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start_import(self) -> None:
        """Let it import what it stands on; `finish_import` is due next."""
        self._process.send({"ask": "load", "module": self.contender.module})

    def finish_import(self) -> None:
        """Wait for the end of the import."""
        self._receive()

    def prepare(self, task: str, case: Case) -> float:
        """Make the trainer or predictor of a case; return its first call's seconds."""
        self._process.send(
            {
                "ask": "prepare",
                "module": self.contender.module,
                "task": task,
                "options": self.contender.options,
                "case": case.to_json(),
            }
        )
        return float(self._receive()["first_s"])

    def run(self, count: int, *, warm: int = 0) -> dict[str, Any]:
        """Make so many calls, after ``warm`` that do not count.

        Returns
        -------
        dict
            ``times_s``, the seconds of each call, and ``idle_cpu_s``, the processor
            seconds that were used since the last ones.
        """
        self._process.send({"ask": "go", "count": count, "warm": warm})
        return self._receive()

    def peak_bytes(self) -> int:
        """Return the largest memory since the first call."""
        self._process.send({"ask": "memory"})
        return int(self._receive()["peak_bytes"])

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.is_alive

    def close(self) -> None:
        """End the process; nothing of it stays behind."""
        self._process.close()

    def _receive(self) -> dict[str, Any]:
        try:
            answer = self._process.receive(limit_s=self._timeout_s)
        except ChildFailure as failure:
            raise ContenderFailure(self._explain(failure)) from failure
        if "failure" in answer:
            raise ContenderFailure(f"{self.contender.name}: {answer['failure']}")
        return answer

    def _explain(self, failure: ChildFailure) -> str:
        name = self.contender.name
        if failure.exit_code is None:
            return f"{name}: must answer within {self._timeout_s:.0f} s; got nothing."
        last = f" Its last words: {failure.last_words}" if failure.last_words else ""
        return f"{name}: must stay alive; got {failure}.{last}"
