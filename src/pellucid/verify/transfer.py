"""Deviation of a run that moves to another engine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import recipes
from pellucid.engines import Engine
from pellucid.engines.registry import REFERENCE
from pellucid.runs import RunFolder
from pellucid.runs.recipe import Recipe
from pellucid.training import Callback, Trainer
from pellucid.verify.lockstep import Tensors, get_weights
from pellucid.verify.tolerance import Numbers, limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What a run's next steps are on another engine, beside those where it stayed.

    Attributes
    ----------
    deviation : ndarray, shape (steps, weights)
        ‖a − b‖∞ / ‖b‖∞ of every weight after every step, nothing being set back.
    floor : ndarray, shape (steps, weights)
        The same of the reference in float32 against itself in float64.
    dtype : {"float32", "float64"}
    """

    deviation: Numbers
    floor: Numbers
    dtype: str

    @property
    def share(self) -> float:
        """The largest deviation, in units of what is allowed: 1.0 just passes."""
        allowed = limits("weights", self.floor, dtype=self.dtype)
        return float(np.max(self.deviation / allowed))


def measure_transfer(
    run: str | Path, engines: Sequence[str | Engine], *, steps: int = 20
) -> dict[str, Transfer]:
    """Go on with a run on each engine, and on its own, without changing the run.

    Parameters
    ----------
    run : path
        A run's folder that can be resumed for that many steps.
    engines : sequence of str or Engine
    steps : int

    Returns
    -------
    dict of engine name to Moved
    """
    recipe = Recipe.read(RunFolder(run).recipe)
    stayed = run_next_steps(run, recipe.engine, steps=steps)
    single, double = (
        run_next_steps(run, REFERENCE, steps=steps, dtype=dtype)
        for dtype in ("float32", "float64")
    )
    floor = _measure_deviation(single, double)
    found = {}
    for engine in engines:
        name = engine if isinstance(engine, str) else engine.name
        away = run_next_steps(run, engine, steps=steps)
        deviation = _measure_deviation(away, stayed)
        found[name] = Transfer(deviation=deviation, floor=floor, dtype=recipe.dtype)
    return found


def run_next_steps(
    run: str | Path, engine: str | Engine, *, steps: int, dtype: str | None = None
) -> list[Tensors]:
    """Return all weights after each of the next steps of a copy of the run."""
    keeper = _WeightRecorder(steps)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(run, Path(folder) / "run"))
        recipe = Recipe.read(RunFolder(copy).recipe)
        changes: dict[str, Any] = {"dtype": dtype} if dtype else {}
        name = engine if isinstance(engine, str) else engine.name
        if name != recipe.engine:
            changes["engine_options"] = {}
        changed = recipes.override(recipe, changes)
        # resuming refuses another dtype: the copy is a run of that dtype from its start
        RunFolder(copy).recipe.write_text(changed.to_toml(), encoding="utf-8")
        recipes.train(
            changed,
            run=copy,
            resume=True,
            engine=engine,
            callbacks=[keeper],
            progress=False,
        )
    return keeper.weights


class _WeightRecorder(Callback):
    """Keep the weights of so many steps, then end the training."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.weights: list[Tensors] = []

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Copy the weights."""
        del loss
        if len(self.weights) < self._steps:
            self.weights.append(get_weights(trainer.session))
        if len(self.weights) == self._steps:
            trainer.stop("enough steps were seen")


def _measure_deviation(mine: list[Tensors], theirs: list[Tensors]) -> Numbers:
    """Return ‖a − b‖∞ / ‖b‖∞ of every weight after every step."""
    return np.array(
        [
            [
                float(np.abs(a[name].astype(np.float64) - b[name]).max())
                / (float(np.abs(b[name]).max()) or 1.0)
                for name in b
            ]
            for a, b in zip(mine, theirs, strict=True)
        ]
    )
