"""`pellucid runs`: list runs, or put some side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say, table, table_width
from pellucid.errors import RunError

if TYPE_CHECKING:
    from pellucid.runs.overview import RunSummary


def runs(
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="[RUN]...",
            help="Runs to put side by side; all under runs/ are listed if left out.",
            show_default=False,
        ),
    ] = None,
    picture: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--picture", help="File for the runs' curves (PNG).", show_default=False
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """List the runs under runs/, or put some side by side.

    Side by side, the settings in which they differ are shown, and each run's best
    epoch: by val_loss where images were held out, else by loss. Where the
    table would be too wide, each run is a column.

    \b
    [bold]Examples[/bold]
    pellucid runs
    pellucid runs mnist-torch mnist-torch-2
    pellucid runs mnist-torch mnist-torch-2 --picture curves.png
    """
    from pellucid.runs.overview import differing_settings, list_runs, summarize_run

    problems: list[str] = []
    if names:
        found = [summarize_run(name) for name in names]
    else:
        found, problems = list_runs()
    for problem in problems:
        say(problem)
    differing = differing_settings(found) if names else []
    if picture is not None:
        _draw(found, picture)
    if json:
        emit({"runs": [_document(run) for run in found], "differing": differing})
        return
    if not found:
        answer("There is no run yet. Start with: pellucid train mnist-torch")
        return
    _print(found, differing or ["network", "data.source", "engine"])
    if picture is not None:
        say(f"Saved in {picture}")


def _draw(found: list[RunSummary], path: Path) -> None:
    from pellucid.runs.comparison_picture import draw_runs
    from pellucid.runs.picture import save_figure

    if not any(len(run.history) for run in found):
        raise RunError(
            "runs: --picture must have a run with a finished epoch; got none."
        )
    save_figure(draw_runs(found), path)


def _document(run: RunSummary) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": str(run.path),
        "started": run.started,
        "epochs": len(run.history),
        "best": dict(run.best),
        "settings": dict(run.settings),
    }


def _print(found: list[RunSummary], keys: list[str]) -> None:
    from pellucid.training.curves import NOT_CURVES

    metrics = list(
        dict.fromkeys(
            name for run in found for name in run.best if name not in NOT_CURVES
        )
    )
    numbers = ("epochs", "best epoch", *metrics)
    headers = ("run", *keys, *numbers)
    rows = [
        (
            run.name,
            *(_show(run.settings.get(key)) for key in keys),
            str(len(run.history)),
            f"{run.best['epoch']:.0f}" if run.best else "–",
            *(f"{run.best[name]:.4f}" if name in run.best else "–" for name in metrics),
        )
        for run in found
    ]
    names, *others = zip(*rows, strict=True)
    turned = [(key, *row) for key, row in zip(headers[1:], others, strict=True)]
    by_run = ("setting", *names)
    needed = _width(headers, rows)
    if needed > table_width() and _width(by_run, turned) < needed:
        answer(table(by_run, turned, numbers=names))
    else:
        answer(table(headers, rows, numbers=numbers))


def _width(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return the columns that a table takes if nothing in it is broken."""
    columns = zip(headers, *rows, strict=True)
    return sum(max(map(len, column)) + 2 for column in columns)


def _show(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
