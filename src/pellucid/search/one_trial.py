"""Train once for each seed, and score on held-out training images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pellucid.errors import RunError
from pellucid.model import Model
from pellucid.model.fit import FitRequest, fit
from pellucid.model.several_fit import as_several, metrics_of
from pellucid.network.ports import has_several
from pellucid.objectives import select_metrics
from pellucid.objectives.output_losses import OutputLosses
from pellucid.recipes import override
from pellucid.recipes.builders import build_fit_config, build_model
from pellucid.recipes.datasets import load_examples
from pellucid.runs.recipe import DataSection, Recipe
from pellucid.training import Callback, EpochRecord, Trainer

#: share of the training images that a search holds out where the recipe holds out none
HELD_OUT = 0.1

#: called after an epoch as (epoch, value); True ends the trial
Report = Callable[[int, float], bool]


class PrunedError(Exception):
    """The trial fell behind the others."""


@dataclass(slots=True)
class Examples:
    """Training images of the last data section, which most trials share."""

    section: DataSection | None = None
    shape: tuple[tuple[int, ...], ...] = ()
    data: Any = None


@dataclass(slots=True)
class _Watch(Callback):
    """Report each epoch; end the training where the report says so."""

    metric: str
    report: Report
    is_pruned: bool = field(default=False)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Report the value."""
        if self.report(int(record["epoch"]), float(record[self.metric])):
            self.is_pruned = True
            trainer.stop("it fell behind the other trials")


def train_and_score(
    recipe: Recipe,
    seeds: int,
    metric: str,
    examples: Examples,
    report: Report,
) -> tuple[list[float], float]:
    """Return the metric's value for each seed, and the seconds of training.

    The best epoch counts where the recipe stops early, else the last one.

    Raises
    ------
    PrunedError
        If ``report`` ended the first seed's training.
    PellucidError
        If the settings do not fit, or the training diverged.
    """
    scores: list[float] = []
    begin = time.perf_counter()
    for offset in range(seeds):
        one = override(recipe, {"seed": recipe.seed + offset})
        model = build_model(one)
        data = _load(one, model, examples)
        if data.validation is None and not one.validation_split:
            one = override(one, {"validation_split": HELD_OUT})
        watch = _Watch(metric, report if offset == 0 else lambda *_: False)
        config = build_fit_config(one)
        if has_several(model.network):
            config = replace(config, metrics=one.metrics or None)
        history = fit(
            model,
            FitRequest(
                data=data, config=config, callbacks=(watch,), shows_progress=False
            ),
        )
        if watch.is_pruned:
            raise PrunedError
        scores.append(_chosen(history[metric], metric, one))
    return scores, time.perf_counter() - begin


def choose_metric(recipe: Recipe, examples: Examples, wanted: str | None) -> str:
    """Return the metric that was asked for, else the recipe's first, else the loss.

    Of several outputs it is the weighted sum of their losses.

    Raises
    ------
    RunError
        If it is none of the held-out images.
    """
    model = build_model(recipe)
    data = _load(recipe, model, examples)
    if has_several(model.network):
        several = as_several(model, data, "search")
        names = [f"val_{n}" for n in metrics_of(model, several, recipe.metrics or None)]
    else:
        meaning = model.meaning_for(data.labels)
        names = [f"val_{name}" for name in select_metrics(meaning, recipe.metrics)]
    if isinstance(model.loss, OutputLosses):
        parts = [f"val_{term.output}_loss" for term in model.loss.terms]
        names = ["val_loss", *parts, *names]
    elif model.loss is not None:
        names.append("val_loss")
    if wanted is None:
        return names[0]
    if wanted not in names:
        raise RunError(
            f"search: metric must be one of the held-out images, {', '.join(names)}; "
            f"got '{wanted}'."
        )
    return wanted


def is_maximized(metric: str) -> bool:
    """Return whether more of a metric is better."""
    return not any(part in metric for part in ("loss", "error", "mse", "mae"))


def _load(recipe: Recipe, model: Model, examples: Examples) -> Any:
    """Return the recipe's training images; test images are left alone."""
    network = model.network
    section, shape = recipe.data, tuple(network.shapes[n] for n in network.inputs)
    if examples.data is None or (examples.section, examples.shape) != (section, shape):
        examples.data, _ = load_examples(section, model)
        examples.section, examples.shape = section, shape
    return examples.data


def _chosen(values: list[float], metric: str, recipe: Recipe) -> float:
    if recipe.early_stopping is None:
        return values[-1]
    return max(values) if is_maximized(metric) else min(values)
