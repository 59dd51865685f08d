"""Child process of a contender: receive requests, answer.

Run as ``python -m pellucid.benchmark.worker IN OUT``, two file descriptors. Its
requests: ``load`` a contender, ``prepare`` a case, ``go`` so many calls, ``memory``.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pellucid.benchmark.case import Case
from pellucid.benchmark.child_process import answer_requests
from pellucid.benchmark.clock import time_calls
from pellucid.benchmark.memory import forget_peak, peak_bytes


class Worker:
    """What the process keeps between two questions."""

    def __init__(self) -> None:
        self._call: Callable[[int], Any] | None = None
        self._done = 0
        self._cpu_s = time.process_time()

    def load(self, *, module: str) -> dict[str, Any]:
        """Import a contender's module, before it is asked to prepare."""
        import_module(module)
        return {}

    def prepare(
        self,
        *,
        module: str,
        task: str,
        options: dict[str, Any],
        case: dict[str, Any],
    ) -> dict[str, Any]:
        """Make what will be timed, and call it once."""
        self._call = None
        make: Callable[..., Callable[[int], Any]] = getattr(import_module(module), task)
        self._call, self._done = make(Case.from_json(case), **options), 1
        begin = time.perf_counter()
        self._call(0)
        done = time.perf_counter()
        gc.collect()
        forget_peak()  # from here on: what steps need, not what loading took
        self._cpu_s = time.process_time()
        return {"first_s": done - begin}

    def go(self, *, count: int, warm: int = 0) -> dict[str, Any]:
        """Make so many calls and return the seconds of each."""
        idle_s = time.process_time() - self._cpu_s
        call = self._call
        if call is None:
            return {"failure": "a case must be prepared before it can go; got none."}
        times = time_calls(call, count, warm=warm, start=self._done)
        self._done += count + warm
        self._cpu_s = time.process_time()
        return {"times_s": times, "idle_cpu_s": idle_s}

    def memory(self) -> dict[str, Any]:
        """Return the largest memory since the first call, in bytes."""
        return {"peak_bytes": peak_bytes()}


def main() -> None:
    """Answer until the questions end."""
    worker = Worker()
    tasks: dict[str, Callable[..., dict[str, Any]]] = {
        "load": worker.load,
        "prepare": worker.prepare,
        "go": worker.go,
        "memory": worker.memory,
    }

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        task = tasks[request.pop("ask")]
        try:
            return task(**request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent is told
            words = str(error).strip().splitlines() or ["nothing"]
            return {"failure": f"{type(error).__name__}: {words[0]}"}

    answer_requests(answer)


if __name__ == "__main__":
    main()
