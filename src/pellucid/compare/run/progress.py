"""Progress of a comparison and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pellucid.compare.results import Result
from pellucid.compare.results.trust import has_disturbed_times
from pellucid.compare.run.plan import Job, Plan

_LANES = 2


class TimeEstimate:
    """How much time is left, from guesses that what was measured corrects."""

    def __init__(self) -> None:
        self._left: dict[int, float] = {}
        self._guessed, self._took = 0.0, 0.0

    def plan(self, plan: Plan) -> None:
        """Take note of all that is to be done."""
        for job in plan.jobs:
            self._left[id(job)] = job.guess_s / (
                1 if job.criterion.is_timed else _LANES
            )

    def end(self, job: Job, seconds: float) -> None:
        """Take note of what a job took."""
        guess = self._left.pop(id(job), 0.0)
        self._guessed += guess
        self._took += seconds / (1 if job.criterion.is_timed else _LANES)

    def left_s(self) -> float:
        """Return the seconds that are left, about."""
        pace = (self._took + 10) / (self._guessed + 10)  # the first jobs say little
        return pace * sum(self._left.values())


def format_span(seconds: float) -> str:
    """Return a time as people say it.

    Examples
    --------
    >>> format_span(8), format_span(200)
    ('8 s', '3 min 20 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class LineProgress:
    """Progress as plain lines: one when a job begins, one when it has ended."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._clock = say, TimeEstimate()
        self._count, self._done = 0, 0
        self._begun: dict[int, float] = {}

    def on_plan(self, plan: Plan) -> None:
        """Say how much there is to do."""
        self._clock.plan(plan)
        self._count = len(plan.jobs)
        done = sum(cell.is_done for cell in plan.cells)
        before = f"; {done} cells are done" if done else ""
        self._say(f"{self._count} measurements to make{before}")

    def on_begin(self, job: Job) -> None:
        """Say that a job begins."""
        self._begun[id(job)] = time.monotonic()
        self.show(f"{job.name} …")

    def on_end(self, job: Job, cells: Sequence[Result]) -> None:
        """Say how it ended."""
        seconds = time.monotonic() - self._begun.pop(id(job))
        self._clock.end(job, seconds)
        self._done += 1
        left = self._clock.left_s()
        rest = f", about {format_span(left)} left" if left else ""
        for cell in cells:
            if cell.status == "failed":
                self.show(f"{cell.row}: {cell.engine} failed: {cell.reason}")
        if any(has_disturbed_times(cell) for cell in cells):
            self.show(f"{job.name}: something else kept the machine busy")
        self.show(
            f"[{self._done}/{self._count}] {job.name}: {format_span(seconds)}{rest}"
        )

    def show(self, line: str) -> None:
        """Show a line."""
        self._say(line)

    @property
    def state(self) -> tuple[int, int, float]:
        """Jobs that are done, all jobs, seconds that are left."""
        return self._done, self._count, self._clock.left_s()

    @property
    def running(self) -> int:
        """How many jobs run."""
        return len(self._begun)


class BarProgress(LineProgress):
    """Progress in a terminal: a bar with the time left, and what is measured."""

    def __init__(self, progress: Any) -> None:
        super().__init__(progress.console.print)
        self._progress = progress
        self._task = progress.add_task("", total=None, left="")

    def on_plan(self, plan: Plan) -> None:
        """Show how much there is to do."""
        super().on_plan(plan)
        self._update()

    def on_begin(self, job: Job) -> None:
        """Show what is measured now."""
        self._begun[id(job)] = time.monotonic()
        self._progress.update(self._task, description=job.name)

    def on_end(self, job: Job, cells: Sequence[Result]) -> None:
        """Show what is done."""
        super().on_end(job, cells)
        self._update()

    def show(self, line: str) -> None:
        """Show a line above the bar, with none of it taken for markup."""
        self._progress.console.print(line, markup=False, highlight=False)

    def _update(self) -> None:
        done, count, left = self.state
        self._progress.update(
            self._task, completed=done, total=count, left=f"{format_span(left)} left"
        )


@contextmanager
def show_progress(say: Callable[[str], None]) -> Iterator[LineProgress]:
    """Return who shows progress: a bar in a terminal, else lines."""
    if not sys.stderr.isatty():
        yield LineProgress(say)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(
        *columns, console=Console(stderr=True), transient=True, refresh_per_second=1
    ) as progress:
        yield BarProgress(progress)
