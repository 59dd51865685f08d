"""What `pellucid train` does once its recipe is known: train, or find a rate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pellucid.cli import training_report
from pellucid.cli.ignore_interrupts import without_interrupts
from pellucid.cli.output import DataProgress, say

if TYPE_CHECKING:
    from pellucid.runs.recipe import Recipe
    from pellucid.training import Callback


def find_rate_of(recipe: Recipe, *, json: bool, quiet: bool) -> None:
    """Print the rate that is suggested, and save the picture."""
    from pellucid import recipes
    from pellucid.cli.output import answer, emit
    from pellucid.runs.picture import save_figure

    found = recipes.find_rate(recipe, data_progress=None if quiet else DataProgress())
    picture = Path("learning-rates.png")
    save_figure(found.picture(), picture)
    if json:
        emit(
            {
                "suggestion": found.suggestion,
                "steepest": found.steepest,
                "lowest": found.lowest,
                "rates": list(found.rates),
                "losses": list(found.losses),
                "picture": str(picture),
            }
        )
        return
    answer(str(found))
    say(f"The loss by the rate is drawn in {picture}")


def run_training(
    recipe: Recipe, path: Path, *, is_resumed: bool, json: bool, quiet: bool
) -> None:
    """Train and print the result; after Ctrl-C, print how to continue."""
    from pellucid import recipes
    from pellucid.runs import RunFolder

    reached = training_report.ReachedStep()
    watchers: list[Callback] = [reached]
    if not quiet:
        watchers.append(training_report.Announcement(recipe, path))
    if json:
        watchers.append(training_report.EpochLines())
    try:
        outcome = recipes.train(
            recipe,
            run=path,
            resume=is_resumed,
            callbacks=watchers,
            progress=not quiet,
            data_progress=None if quiet else DataProgress(),
        )
    except KeyboardInterrupt as interrupt:
        with without_interrupts():
            say(training_report.stop_message(path, reached))
        raise typer.Exit(130) from interrupt
    finally:
        RunFolder(path).discard()
    if outcome.is_first:
        training_report.print_result(outcome, json=json, quiet=quiet)
