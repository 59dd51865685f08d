"""Train a model by a recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pellucid.data.download import Progress
from pellucid.data.several import SeveralDataset
from pellucid.engines import Engine
from pellucid.engines.distributed import world_of
from pellucid.engines.ports import join
from pellucid.errors import DivergenceError, RunError
from pellucid.model import Model
from pellucid.model.fit import FitRequest, fit
from pellucid.model.inputs import check_dataset
from pellucid.model.run_setup import share_state
from pellucid.model.several_fit import evaluate_several
from pellucid.model.whitening import whiten
from pellucid.network.ports import has_several
from pellucid.objectives import filter_metrics, select_metrics
from pellucid.recipes.builders import build_fit_config, build_model, build_view
from pellucid.recipes.datasets import load_examples
from pellucid.runs import bit_options, provenance
from pellucid.runs.recipe import Recipe
from pellucid.training import Callback, History, Trainer, as_callbacks, evaluate
from pellucid.training.early_stopping import Weights

_TEST_BATCH = 256  # images, over all processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What training by a recipe leaves behind.

    Parameters
    ----------
    model : Model
        With the weights that the run's folder is known by: those of the best epoch,
        by val_loss where there is validation data, else by loss. Without a folder,
        those of the last step.
    history : History
        A record per epoch.
    metrics : dict of str to float
        Loss and metrics on the test data.
    test : Dataset or SeveralDataset
        The test data; the validation data where there is no test data. The latter of
        a network with several inputs or outputs.
    run : Path, optional
        The run's folder.
    training_s : float
        From the first batch asked for to the last update: data, augmentation, and
        what lies between epochs included, compiling not.
    compiling_s : float
        Compiling the training's code before that, or loading it; 0 where an engine
        does so in its first step.
    is_first : bool
        Whether this is the one of several processes that writes and reports.
    tested_on : {"test", "validation"}
        Which data ``test`` is.
    """

    model: Model
    history: History
    metrics: dict[str, float]
    test: Any
    run: Path | None
    training_s: float
    compiling_s: float
    is_first: bool = True
    tested_on: Literal["test", "validation"] = "test"


class _TrainingResult(Callback):
    """Keep how long the trainer took, and the weights of its best epoch."""

    may_stop = False

    training_s = 0.0
    compiling_s = 0.0
    best: Weights | None = None

    def on_end(self, trainer: Trainer) -> None:
        """Note it."""
        self.training_s, self.compiling_s = trainer.training_s, trainer.compiling_s
        self.best = trainer.position.best.weights


def train(
    recipe: Recipe,
    *,
    run: str | Path | None = None,
    resume: bool = False,
    engine: str | Engine | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    data_progress: Progress | None = None,
) -> Outcome:
    """Train as a recipe says, and test.

    Parameters
    ----------
    recipe : Recipe
        As `read` returns it.
    run : path, optional
        Folder that keeps recipe, checkpoint, history, models and curves.
    resume : bool
        Whether to go on from the folder's checkpoint.
    engine : str or Engine, optional
        Instead of the recipe's.
    callbacks : sequence of Callback
        Called while training.
    progress : bool
        Whether to show progress on stderr.
    data_progress : callable, optional
        Called as data_progress(done, total, what) while data is loaded.

    Returns
    -------
    Outcome
        The trained model, its history and its test figures.

    Raises
    ------
    PellucidError
        As `Model.fit`; DataError also where classes and outputs do not match.
    KeyboardInterrupt
        After the step in which Ctrl-C was pressed; the folder is resumable.

    Examples
    --------
    >>> from pellucid import recipes
    >>> recipe = recipes.override(recipes.read("xor-one-hidden"), {"epochs": 2})
    >>> outcome = recipes.train(recipe, progress=False)
    >>> outcome.model.predict(outcome.test.images).shape
    (4, 1)
    """
    model = build_model(recipe, engine, starts=not resume)
    several = has_several(model.network)
    world = world_of(model.engine)
    is_first = world.rank == 0
    examples, test = load_examples(
        recipe.data, model, progress=data_progress if is_first else None
    )
    if recipe.whiten is not None and not resume:
        images = join(examples.images) if several else examples.images
        whiten(model, images, recipe.whiten)
    path, result = None if run is None else Path(run), _TrainingResult()
    recipe = recipe.model_copy(
        update={"metrics": _metrics(recipe, model, examples, resume)}
    )
    request = FitRequest(
        data=examples,
        config=build_fit_config(recipe),
        callbacks=(*as_callbacks(callbacks), result),
        run=path,
        resume=resume,
        shows_progress=progress and is_first,
        recipe=_recorded(recipe, model),
    )
    history = fit(model, request)
    if path is not None and is_first and result.best:
        model.load_weights(result.best)
    share_state(model, world)
    tested_on: Literal["test", "validation"] = (
        "validation" if examples.validation is test else "test"
    )
    if several:
        metrics = evaluate_several(
            model, test, recipe.metrics, _TEST_BATCH, session=build_view(recipe, model)
        )
    else:
        test = check_dataset(test, "evaluate", model.network, model.loss)
        metrics = evaluate(
            model.network,
            build_view(recipe, model),
            model.batches(test, _TEST_BATCH, shard=(world.rank, world.size)),
            loss=model.loss,
            metrics=select_metrics(model.output_meaning, recipe.metrics),
            world=world,
        )
    _check_test(metrics)
    return Outcome(
        model=model,
        history=history,
        metrics=metrics,
        test=test,
        run=path,
        training_s=result.training_s,
        compiling_s=result.compiling_s,
        is_first=is_first,
        tested_on=tested_on,
    )


def _metrics(
    recipe: Recipe, model: Model, examples: Any, resume: bool
) -> tuple[str, ...] | None:
    """Return the names of the metrics that are measured; None: each output's usual.

    What a run recorded may be a default that does not suit its output: version 0.1
    listed accuracy for everything. What a person asks for must suit it.
    """
    labels = examples.labels
    if len(model.network.outputs) > 1:
        if recipe.metrics:
            raise RunError(
                "recipe: metrics must be left out where the network has several "
                f"outputs, each with its own; got {', '.join(recipe.metrics)}."
            )
        return None
    if isinstance(examples, SeveralDataset):
        (labels,) = examples.labels
    meaning = model.meaning_for(labels)
    is_old_default = bool(recipe.provenance) and recipe.metrics == ("accuracy",)
    if resume or is_old_default:
        return filter_metrics(meaning, recipe.metrics)
    return tuple(select_metrics(meaning, recipe.metrics))


def _check_test(metrics: dict[str, float]) -> None:
    """Refuse to report on a network whose loss on the test data is not finite."""
    loss = metrics.get("loss", 0.0)
    if not math.isfinite(loss):
        raise DivergenceError(
            f"train: the loss on the test data must be finite; got loss={loss}. "
            "Try a smaller learning rate, or clip_norm."
        )


def _recorded(recipe: Recipe, model: Model) -> Recipe:
    """Return the recipe as the run's folder keeps it: with where it was run."""
    here = provenance(model.engine.name)
    if recipe.provenance:
        here = {**recipe.provenance, "resumed": here["started"]}
    name = model.engine.name
    options = recipe.engine_options if name == recipe.engine else {}
    update = {
        "provenance": here,
        "engine": name,
        "engine_options": {**options, **bit_options(model.engine)},
    }
    return recipe.model_copy(update=update)
