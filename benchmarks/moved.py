"""Whether a run may move to another engine, for every pair of engines.

Run: ``python benchmarks/moved.py [--network lenet5] [--limit 6400] [--epochs 3]``. On
each engine the run is stopped in its second epoch, and goes on on every other one.
Printed are the deviation of the first 20 steps in units of what is allowed (ten times
the noise floor; at most 1 passes), and the test accuracy at the end, beside those of
the run that stayed and of other seeds. About 15 minutes; ends with exit code 1 if a
step is off.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from pellucid import recipes
from pellucid.engines import NAMES, missing_package
from pellucid.runs.recipe import Recipe
from pellucid.training import Callback
from pellucid.verify.transfer import measure_transfer


class Stop(Callback):
    """End the training after some step, resumably."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, trainer: Any, loss: float) -> None:
        """Press Ctrl-C."""
        del loss
        if trainer.position.step == self.step:
            import signal

            signal.raise_signal(signal.SIGINT)


def stopped(recipe: Recipe, engine: str, run: Path, step: int) -> None:
    """Train until that step."""
    try:
        recipes.train(
            recipes.override(recipe, {"engine": engine}),
            run=run,
            callbacks=[Stop(step)],
            progress=False,
        )
    except KeyboardInterrupt:
        return
    raise SystemExit(f"{engine}: the run ended before step {step}")


def finished(run: Path, engine: str, folder: Path) -> float:
    """Return the test accuracy of a copy of the run that goes on to its end."""
    import shutil

    copy = Path(shutil.copytree(run, folder / f"{run.name}-{engine}"))
    recipe = Recipe.read(copy / "recipe.toml")
    outcome = recipes.train(
        recipe, run=copy, resume=True, engine=engine, progress=False
    )
    return outcome.metrics["accuracy"]


def main() -> None:
    """Move every run everywhere and print a row for each pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="lenet5")
    parser.add_argument("--limit", type=int, default=6400)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--engines", nargs="+", default=list(NAMES))
    given = parser.parse_args()
    there = [name for name in given.engines if missing_package(name) is None]
    changes = {"epochs": given.epochs, "data.limit": given.limit}
    recipe = recipes.override(recipes.read(given.network), changes)
    seeds = [
        recipes.train(
            recipes.override(recipe, {"seed": seed}),
            engine="compiled",
            progress=False,
        ).metrics["accuracy"]
        for seed in range(given.seeds)
    ]
    spread = statistics.stdev(seeds)
    print(f"{given.seeds} seeds: {100 * statistics.mean(seeds):.2f} %, "
          f"standard deviation {100 * spread:.2f} points\n")  # fmt: skip
    print("| from | to | of what is allowed | stayed | moved |\n|---|---|---|---|---|")
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        step = round(1.3 * given.limit / recipe.batch_size)
        for start in there:
            run = folder / start
            stopped(recipe, start, run, step)
            others = [other for other in there if other != start]
            stayed = finished(run, start, folder)
            for goal, seen in measure_transfer(run, others).items():
                worst = max(worst, seen.share)
                away = finished(run, goal, folder)
                print(f"| {start} | {goal} | {seen.share:.2g} | {100 * stayed:.2f} % "
                      f"| {100 * away:.2f} % |", flush=True)  # fmt: skip
    sys.exit(worst > 1)


if __name__ == "__main__":
    main()
