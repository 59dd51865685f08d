"""Plan of a comparison: which results are to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.compare.criteria import find_criterion
from pellucid.compare.criteria.criterion import Criterion
from pellucid.compare.results import Result, Results
from pellucid.compare.results.trust import has_disturbed_times
from pellucid.compare.run.request import Request
from pellucid.engines.registry import ENGINES, missing_package

#: what --quick reckons for a cell before any is measured, for the time that is left
_GUESS_S = {True: 9.0, False: 60.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one question to a process is about: a row, and the engines it is put to."""

    criterion: Criterion
    engines: tuple[str, ...]
    fingerprint: str
    guess_s: float

    @property
    def name(self) -> str:
        """As progress shows it."""
        who = self.engines[0] if len(self.engines) == 1 else "all engines, in turns"
        return f"{self.criterion.name}: {who}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is there already, and what is left to do.

    Attributes
    ----------
    cells : tuple of Cell
        Done before, or with nothing to do: not installed, full only, does not apply.
    alone : tuple of Job
        One at a time, with the machine to themselves; what must come first in its
        process before the rest.
    lanes : tuple of tuple of Job
        The others, engine by engine: two engines at once.
    """

    cells: tuple[Result, ...]
    alone: tuple[Job, ...]
    lanes: tuple[tuple[Job, ...], ...]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs."""
        return (*self.alone, *(job for lane in self.lanes for job in lane))


def make_plan(
    request: Request, old: Results | None, *, keeps_disturbed: bool = False
) -> Plan:
    """Decide what is to be done.

    Parameters
    ----------
    request : Request
    old : Results, optional
        What was measured before.
    keeps_disturbed : bool
        Whether cells that were disturbed count as done; else they are measured again.
    """
    cells: list[Result] = []
    jobs: list[Job] = []
    for name in request.rows:
        asked = find_criterion(name)
        settled, open_jobs = _plan_criterion(request, asked, old, keeps_disturbed)
        cells += settled
        jobs += open_jobs
    timed = [job for job in jobs if job.criterion.is_timed]
    alone = tuple(sorted(timed, key=lambda job: not job.criterion.is_fresh))
    shared = [job for job in jobs if not job.criterion.is_timed]
    lanes = (
        tuple(job for job in shared if job.engines[0] == engine)
        for engine in reversed(request.engines)  # frameworks take longest: they begin
    )
    return Plan(
        cells=tuple(cells), alone=alone, lanes=tuple(lane for lane in lanes if lane)
    )


def _plan_criterion(
    request: Request, asked: Criterion, old: Results | None, keeps_disturbed: bool
) -> tuple[list[Result], list[Job]]:
    settled = [
        cell for engine in request.engines if (cell := _settle(request, asked, engine))
    ]
    closed = {cell.engine for cell in settled}
    open_ = tuple(engine for engine in request.engines if engine not in closed)
    together = asked.measure_together is not None
    groups: Sequence[tuple[str, ...]] = [open_] if together else [(e,) for e in open_]
    jobs = []
    for group in groups:
        if not group:
            continue
        mark = request.fingerprint(asked, group)
        before = [_find_earlier(old, asked.name, e) for e in group]
        done = [
            cell
            for cell in before
            if cell is not None
            and cell.is_done
            and cell.fingerprint == mark
            and (keeps_disturbed or not has_disturbed_times(cell))
        ]
        if len(done) == len(group):
            settled += done
            continue
        guess = sum(cell.seconds for cell in before if cell is not None)
        jobs.append(
            Job(
                criterion=asked,
                engines=group,
                fingerprint=mark,
                guess_s=guess or _GUESS_S[request.is_quick] * len(group),
            )
        )
    return settled, jobs


def _find_earlier(old: Results | None, row: str, engine: str) -> Result | None:
    return None if old is None else old.get(row, engine)


def _settle(request: Request, asked: Criterion, engine: str) -> Result | None:
    """Return a cell with nothing to do, if it is one."""
    package = missing_package(engine)
    if package is not None:
        record = ENGINES[engine]
        what = f"'{record.requirement}'" if record.extra else package
        reason = f"Not installed: no {package}. Run: pip install {what}"
        return Result(
            row=asked.name, engine=engine, status="not installed", reason=reason
        )
    if engine not in asked.engines:
        return Result(row=asked.name, engine=engine, status="does not apply")
    if request.is_quick and not asked.is_quick:
        return Result(row=asked.name, engine=engine, status="full only")
    return None
