"""`compare`: from a request to a folder with results and reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pellucid.compare.criteria import find_criterion, list_criteria
from pellucid.compare.criteria.criterion import ENGINES
from pellucid.compare.results import FILE, Question, Result, Results, read_results
from pellucid.compare.run.plan import Plan, make_plan
from pellucid.compare.run.request import Request, installed_versions, utc_now
from pellucid.compare.run.runner import ComparisonRunner, ProgressListener
from pellucid.errors import RunError
from pellucid.runs.tensor_file import write_bytes
from pellucid.storage import recover

#: when --quick begins nothing more and ends what runs
QUICK_S = 345.0
#: settings that all cells of a report share
_SHARED = ("network", "data", "is_quick", "seed")


def read_earlier(folder: Path) -> Results | None:
    """Return the results in a report's folder, None where there is none yet.

    Raises
    ------
    RunError
        If the folder cannot be made or holds something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        recover(folder)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise RunError(
            f"compare: --out must be a folder that can be written; got '{folder}': "
            f"{error.strerror}."
        ) from error
    if (folder / FILE).is_file():
        return read_results(folder / FILE)
    if not is_empty:
        raise RunError(
            f"compare: --out must be empty or hold an earlier report; got '{folder}' "
            f"without {FILE}. Name another folder."
        )
    return None


def compare(
    request: Request, folder: Path, watcher: ProgressListener, old: Results | None
) -> Results:
    """Measure what is not there yet, and keep it in the folder cell by cell.

    Raises
    ------
    KeyboardInterrupt
        After what is done has been kept; the same request goes on from there.
    """
    to_do = make_plan(request, old)
    record = _Record(request, folder, old, to_do)
    watcher.on_plan(to_do)
    try:
        runner = ComparisonRunner(
            request,
            keep=record.keep,
            watcher=watcher,
            budget_s=QUICK_S if request.is_quick else None,
        )
        runner.run(to_do)
        record.leave(
            f"--quick stops after {QUICK_S:.0f} s; run the same command again to "
            "continue."
        )
    finally:
        record.finish()
    return record.results


class _Record:
    """The results as they grow."""

    def __init__(
        self, request: Request, folder: Path, old: Results | None, to_do: Plan
    ) -> None:
        self._file = folder / FILE
        kept, engines = _keep_valid(request, old)
        settings = {**request.settings(), "engines": list(engines)}
        fresh = Results(
            settings=settings,
            machine=request.machine,
            versions=installed_versions(),
            begun=old.begun if old is not None and kept else utc_now(),
        )
        known = {(cell.row, cell.engine) for cell in kept}  # disturbed ones among them
        waiting = [
            Result(row=job.criterion.name, engine=engine, status="not yet")
            for job in to_do.jobs
            for engine in job.engines
            if (job.criterion.name, engine) not in known
        ]
        self.results = fresh.with_results([*kept, *to_do.cells, *waiting])
        self.finish()

    def keep(self, cells: Sequence[Result]) -> None:
        """Take cells in and write everything down."""
        self.results = self.results.with_results(cells)
        self._write()

    def leave(self, reason: str) -> None:
        """Say why the cells that are still to be measured were left."""
        left = [cell for cell in self.results.cells if cell.status == "not yet"]
        self.results = self.results.with_results(
            replace(cell, reason=reason) for cell in left
        )

    def finish(self) -> None:
        """Draw the conclusions over all engines and write everything down."""
        asked = {cell.row for cell in self.results.cells}
        questions = (
            _make_question(self.results, name)
            for name in list_criteria()
            if name in asked
        )
        self.results = replace(self.results, questions=tuple(questions))
        self._write()

    def _write(self) -> None:
        text = json.dumps(self.results.to_json(), indent=1, ensure_ascii=False)
        write_bytes(self._file, f"{text}\n".encode())


def _make_question(results: Results, name: str) -> Question:
    asked = find_criterion(name)
    measured = {c.engine: c.figures for c in results.row(name) if c.is_done}
    said = asked.conclude(measured) if asked.conclude and measured else []
    return Question.from_json({**asked.description(), "conclusions": said})


def _keep_valid(
    request: Request, old: Results | None
) -> tuple[list[Result], tuple[str, ...]]:
    """Return cells of other rows and engines that still hold, and all columns."""
    if old is None or any(
        old.settings.get(key) != request.settings()[key] for key in _SHARED
    ):
        return [], request.engines
    columns = tuple(e for e in ENGINES if e in {*old.engines, *request.engines})
    rows = {cell.row for cell in old.cells} & {*list_criteria()}
    whole = replace(
        request,
        engines=old.engines,
        rows=tuple(name for name in list_criteria() if name in rows),
    )
    return list(make_plan(whole, old, keeps_disturbed=True).cells), columns
