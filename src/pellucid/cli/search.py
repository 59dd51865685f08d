"""`pellucid search`: try settings of a recipe, and show which were best."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say, table
from pellucid.errors import RunError

if TYPE_CHECKING:
    from pellucid.search import SearchOutcome, TrialRecord

_SHOWN = 10  # trials in the table


def search(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="As in `pellucid train`: a name, a recipe (.toml), or your own "
            "network (.py, .json).",
            show_default=False,
        ),
    ],
    setting: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--set",
            metavar="KEY=SPACE",
            help="What is searched: 8..64, 0.1..0.5:0.1, adam,sgd; or a fixed value. "
            "Repeatable. Keys as in `pellucid train --set`.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int,
        typer.Option("--trials", metavar="N", help="Trials of the study at its end."),
    ] = 20,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", metavar="N", help="Train each trial so often; the mean counts."
        ),
    ] = 1,
    metric: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--metric",
            metavar="NAME",
            help="val_accuracy, val_loss, … Default: the recipe's first metric.",
            show_default=False,
        ),
    ] = None,
    sampler: Annotated[
        str,
        typer.Option(
            "--sampler",
            metavar="NAME",
            help="tpe (learns from the trials so far), random or grid.",
        ),
    ] = "tpe",
    no_prune: Annotated[
        bool, typer.Option("--no-prune", help="Let every trial train to its end.")
    ] = False,
    study: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--study",
            metavar="NAME",
            help="Name of the study; one that is there is continued. Default: the "
            "network's name.",
            show_default=False,
        ),
    ] = None,
    storage: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--storage",
            metavar="URL",
            help="Database, for several machines, as in postgresql://host/db. Default: "
            "searches/STUDY/study.db.",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
    json: options.Json = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress on stderr.")
    ] = False,
) -> None:
    """Search for good settings of a network or recipe.

    Trains again and again with other settings, and compares them on held-out training
    images; the test images are never looked at. Saves searches/STUDY: study.db, the
    picture search.png, and best.toml, a recipe for `pellucid train`. Needs
    pellucid\\[search]. Exit code 1 if no trial was complete.

    \b
    [bold]Examples[/bold]
    pellucid search mnist-torch --set learning_rate=1e-4..1e-2 --trials 12
    pellucid search lenet5 --set conv2d.out_channels=4..16 --set epochs=2 --seeds 3
    pellucid search lenet5 --set optimizer=adam,rmsprop --sampler grid
    pellucid search mine.toml --set batch_size=32,64,128 --storage postgresql://db/x
    """
    from pellucid import recipes
    from pellucid.search import parse_space, picture
    from pellucid.search import search as run
    from pellucid.search.searching import study_name

    if sampler not in ("tpe", "random", "grid"):
        raise RunError(
            f"search: --sampler must be tpe, random or grid; got '{sampler}'."
        )
    space, fixed = parse_space(setting or [])
    if data is not None:
        fixed["data.source"] = data
    recipe = recipes.override(recipes.read(network), fixed)
    name = study_name(network) if study is None else study

    def report(record: TrialRecord) -> None:
        if json:
            emit({"event": "trial", **record.to_json()})
        if not quiet:
            say(_line(record, trials))

    try:
        outcome = run(
            recipe,
            space,
            trials=trials,
            seeds=seeds,
            metric=metric,
            sampler=sampler,  # type: ignore[arg-type]
            prune=not no_prune,
            study=name,
            storage=storage,
            on_trial=report,
        )
    except KeyboardInterrupt as interrupt:
        say("Stopped; the finished trials are kept. The same command continues.")
        raise typer.Exit(130) from interrupt
    folder = Path("searches") / name
    written = _write(folder, outcome, picture(outcome, space), recipe)
    if json:
        best = outcome.best
        emit(
            {
                "event": "result",
                "metric": outcome.metric,
                "best": best.to_json() if best else None,
                "trials": len(outcome.trials),
            }
        )
    else:
        _print(outcome, list(space))
        if written is not None:
            best_one = shlex.quote(str(written))
            answer(f"pellucid train {best_one}   # with the best settings")
    if written is None:
        raise typer.Exit(1)


def _line(record: TrialRecord, count: int) -> str:
    values = "  ".join(f"{key}={_show(value)}" for key, value in record.values.items())
    how = record.state if record.score is None else f"{record.score:.4f}"
    reason = f"  ({record.reason})" if record.reason else ""
    return f"trial {record.number}/{count}  {how}  {values}{reason}"


def _show(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print(outcome: SearchOutcome, keys: list[str]) -> None:
    ranked = outcome.ranked
    states = [trial.state for trial in outcome.trials]
    answer(
        f"{len(states)} trials: {states.count('complete')} complete, "
        f"{states.count('pruned')} pruned, {states.count('failed')} failed"
    )
    if not ranked:
        answer("No trial was complete, so there is no best one.")
        return
    has_spread = any(trial.spread is not None for trial in ranked)
    headers = ["trial", outcome.metric, *(["±"] if has_spread else []), *keys]
    rows = [
        [
            str(trial.number),
            f"{trial.score:.4f}",
            *([_spread(trial)] if has_spread else []),
            *(_show(trial.values[key]) for key in keys),
        ]
        for trial in ranked[:_SHOWN]
    ]
    answer(table(headers, rows, numbers=tuple(headers)))


def _spread(trial: TrialRecord) -> str:
    return "–" if trial.spread is None else f"{trial.spread:.4f}"


def _write(
    folder: Path, outcome: SearchOutcome, figure: Any, recipe: Any
) -> Path | None:
    """Save the picture and the best recipe."""
    from pellucid import recipes
    from pellucid.runs.picture import save_figure
    from pellucid.runs.tensor_file import write_bytes

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"search: '{folder}' must be a folder that can be written; got "
            f"{error.strerror or error}."
        ) from error
    save_figure(figure, folder / "search.png")
    best = outcome.best
    if best is None:
        return None
    path = folder / "best.toml"
    chosen = recipes.override(recipe, best.values)
    write_bytes(path, chosen.to_toml().encode())
    return path
