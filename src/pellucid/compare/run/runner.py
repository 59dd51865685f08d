"""Run a comparison job by job, and keep each result."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from math import inf
from pathlib import Path
from typing import Any, Protocol

from pellucid.benchmark.machine_load import DISTURBED, Calibration
from pellucid.compare.measurement import Measurement
from pellucid.compare.results import Result
from pellucid.compare.run.child_processes import ChildProcesses, WorkerError, measure
from pellucid.compare.run.plan import Job, Plan
from pellucid.compare.run.request import Request
from pellucid.compare.task import Task
from pellucid.machine import count_usable_cpus

Keep = Callable[[Sequence[Result]], None]


class ProgressListener(Protocol):
    """Who is told how it goes."""

    def on_plan(self, plan: Plan) -> None:
        """What there is to do is known."""

    def on_begin(self, job: Job) -> None:
        """A job begins."""

    def on_end(self, job: Job, cells: Sequence[Result]) -> None:
        """A job has ended."""


class ComparisonRunner:
    """Measures a plan's jobs.

    Parameters
    ----------
    request : Request
    keep : callable
        Takes the cells of each job when it has ended; called by one thread at a time.
    watcher : Watcher
    budget_s : float, optional
        Seconds after which no job begins and none goes on; what is left is not kept,
        and the same request goes on with it.
    """

    def __init__(
        self,
        request: Request,
        *,
        keep: Keep,
        watcher: ProgressListener,
        budget_s: float | None = None,
    ) -> None:
        self._end = time.monotonic() + (inf if budget_s is None else budget_s)
        self._request, self._keep, self._watcher = request, keep, watcher
        self._calibration = Calibration()
        self._lock = threading.Lock()
        self._processes = ChildProcesses()

    def run(self, plan: Plan) -> None:
        """Measure what must have the machine to itself, then the rest two by two.

        Raises
        ------
        KeyboardInterrupt
            After every process has ended; what was done has been kept.
        """
        with self._processes:
            try:
                for job in plan.alone:
                    if self._is_over():
                        break
                    self._run_job(job, is_alone=True)
                self._run_lanes(plan.lanes)
            except BaseException:
                self._processes.stop()
                raise

    def _run_lanes(self, lanes: Sequence[Sequence[Job]]) -> None:
        """Two lanes at once where there are two processors."""
        pool = ThreadPoolExecutor(min(2, count_usable_cpus()))
        try:
            futures = [pool.submit(self._run_lane, lane) for lane in lanes]
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            self._processes.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _run_lane(self, lane: Sequence[Job]) -> None:
        for job in lane:
            if self._is_over():
                break
            self._run_job(job, is_alone=False)
        self._processes.end(lane[0].engines[0])  # and give its memory back

    def _is_over(self) -> bool:
        return self._processes.is_stopping or self._left_s() <= 0

    def _run_job(self, job: Job, *, is_alone: bool) -> None:
        """Measure a job and keep its cells; where its process died, forget it."""
        self._watcher.on_begin(job)
        before = self._calibration.slowdown() if is_alone else 0.0
        begin, reason, engine = time.perf_counter(), None, job.engines[0]
        found: dict[str, Any] = {}
        with self._tasks(job) as tasks:
            process = self._processes.get(engine, is_fresh=job.criterion.is_fresh)
            try:
                limit_s = min(job.criterion.limit_s, max(1.0, self._left_s()))
                found = measure(process, job.criterion.name, tasks, limit_s=limit_s)
            except WorkerError as error:
                reason = str(error)
                self._processes.end(engine)
        if self._processes.is_stopping or (reason and self._left_s() <= 0):
            return
        seconds = time.perf_counter() - begin
        slowdown = max(before, self._calibration.slowdown()) if is_alone else 0.0
        cells = [
            _make_result(job, engine, found, reason, seconds=seconds, slowdown=slowdown)
            for engine in job.engines
        ]
        with self._lock:
            self._keep(cells)
        self._watcher.on_end(job, cells)

    @contextlib.contextmanager
    def _tasks(self, job: Job) -> Iterator[list[Task]]:
        request = self._request
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            tasks = []
            for engine in job.engines:
                scratch = Path(folder) / engine
                scratch.mkdir()
                tasks.append(
                    Task(
                        engine=engine,
                        network=request.network,
                        data=request.data,
                        is_quick=request.is_quick,
                        seed=request.seed,
                        folder=scratch,
                    )
                )
            yield tasks

    def _left_s(self) -> float:
        return self._end - time.monotonic()


def _make_result(
    job: Job,
    engine: str,
    found: dict[str, Any],
    reason: str | None,
    *,
    seconds: float,
    slowdown: float,
) -> Result:
    answer: Any = reason or found.get(engine, "it gave no answer.")
    is_measured = not isinstance(answer, str)
    return Result(
        row=job.criterion.name,
        engine=engine,
        status="measured" if is_measured else "failed",
        reason="" if is_measured else str(answer),
        figures=tuple(Measurement.from_json(f) for f in answer) if is_measured else (),
        seconds=round(seconds / len(job.engines), 2),
        slowdown=round(slowdown, 3),
        is_disturbed=slowdown > DISTURBED,
        fingerprint=job.fingerprint,
    )
