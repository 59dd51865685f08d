"""Start of a training: in a new folder, or at a checkpoint.

Of several processes the first reads and writes; the others begin with what it has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.data import Dataset
from pellucid.data.fingerprint import (
    array_fingerprint,
    arrays_fingerprint,
    fingerprint,
)
from pellucid.engines.distributed import ProcessGroup, broadcast_from_first
from pellucid.engines.loss_input import require
from pellucid.errors import RunError
from pellucid.network import to_json
from pellucid.network.ports import has_several
from pellucid.objectives import filter_metrics, metric_names
from pellucid.runs import Checkpoint, Recorder, RunFolder, bit_options, provenance
from pellucid.storage import recover
from pellucid.training import Callback, History, Trainer, TrainerState
from pellucid.training.example_weights import resolve

if TYPE_CHECKING:
    from pellucid.model.fit import FitRequest
    from pellucid.model.model import Model
    from pellucid.runs.recipe import Recipe


@dataclass(frozen=True, slots=True)
class TrainingStart:
    """Where a training begins, and who writes it down."""

    position: TrainerState
    history: History
    recorders: tuple[Callback, ...] = ()


def run_trainer(
    model: Model, request: FitRequest, begin: TrainingStart, session: Any, **given: Any
) -> History:
    """Train from where a training begins; the model counts the epochs that began.

    ``given`` is what `Trainer` takes besides.
    """
    trainer = Trainer(
        model.network,
        session,
        loss=require("loss", model.loss),
        config=request.config,
        learning_rate=require("optimizer", model.optimizer).learning_rate,
        keeps_best=request.run is not None,
        callbacks=[*begin.recorders, *request.all_callbacks],
        position=begin.position,
        history=begin.history,
        **given,
    )
    try:
        return trainer.run()
    finally:
        model.epochs = begin.position.epochs_begun


@contextmanager
def open_run(
    model: Model, request: FitRequest, world: ProcessGroup, train: Dataset
) -> Iterator[TrainingStart]:
    """Open the run's folder, if there is one, and its checkpoint on resuming.

    ``train`` is what is trained on.

    Raises
    ------
    RunError
        In every process, if the folder cannot be written or holds another run.
    """
    if world.size == 1:
        with _open_folder(model, request, train, is_restarted=False) as begin:
            yield begin
        return
    from pellucid.engines import heartbeat  # only jobs of several processes need it

    heartbeat.start(world)
    with ExitStack() as stack:
        opened: list[TrainingStart] = []

        def open_on_first() -> bytes:
            restarted = world.is_restarted
            context = _open_folder(model, request, train, is_restarted=restarted)
            opened.append(stack.enter_context(context))
            return _checkpoint(model, opened[0]).to_bytes()

        message = broadcast_from_first(world, open_on_first)
        if not opened:
            checkpoint = Checkpoint.from_bytes(message)
            model.load_state(checkpoint.state)
            opened.append(TrainingStart(checkpoint.position, checkpoint.history))
        yield opened[0]


def share_state(model: Model, world: ProcessGroup) -> None:
    """Give all processes the first one's state."""
    if world.size == 1:
        return
    begin = TrainingStart(TrainerState(), History())
    message = broadcast_from_first(world, lambda: _checkpoint(model, begin).to_bytes())
    if world.rank:
        model.load_state(Checkpoint.from_bytes(message).state)


def _checkpoint(model: Model, begin: TrainingStart) -> Checkpoint:
    return Checkpoint(
        state=model.state(), position=begin.position, history=begin.history
    )


@contextmanager
def _open_folder(
    model: Model, request: FitRequest, train: Dataset, *, is_restarted: bool
) -> Iterator[TrainingStart]:
    new = TrainerState(first_epoch=model.epochs)
    if request.run is None:
        if request.resume:
            raise RunError("fit: resume must name a run; got run=None.")
        yield TrainingStart(new, History())
        return
    # slow to import; only runs need them
    from pellucid.model.resuming import check_data, check_same, merge, warn_of_threads
    from pellucid.runs.recipe import Recipe

    folder = RunFolder(request.run)
    recover(folder.path)
    resumes = request.resume or (is_restarted and folder.has_begun)
    if not resumes:
        folder.create()
    elif not folder.has_begun:
        raise RunError(
            f"resume: '{folder.path}' must hold a checkpoint; got none. "
            "Train without resume first."
        )
    with folder.locked():
        position, history = new, History()
        data = _fingerprint_data(request)
        recipe = request.recipe or _build_recipe(model, request, train)
        if resumes:
            checkpoint = Checkpoint.read(folder.checkpoint)
            position, history = checkpoint.position, checkpoint.history
            if folder.recipe.exists():
                recorded = Recipe.read(folder.recipe)
                check_same(
                    recorded,
                    recipe,
                    {
                        "class_weight": lambda w: _class_weight(model, w, train),
                        "metrics": lambda m: _metrics(model, m),
                    },
                    run=str(folder.path),
                )
                check_data(position.data, data)
                warn_of_threads(recorded, recipe)
                recipe = merge(recorded, recipe, epochs_done=len(history))
            model.load_state(checkpoint.state)
        elif folder.has_begun:
            epochs = len(Checkpoint.read(folder.checkpoint).history)
            raise RunError(
                f"run: '{folder.path}' must be new; got a run with {epochs} finished "
                f"epoch{'' if epochs == 1 else 's'}. "
                "Resume it, or choose another name."
            )
        position.data = data
        text = recipe.to_toml().encode()
        yield TrainingStart(position, history, (Recorder(folder, model.file(), text),))


def _fingerprint_data(request: FitRequest) -> dict[str, str]:
    """Return fingerprints of the examples that were handed over."""
    found = {"data": fingerprint(request.data)}
    held_out = request.validation_data
    if held_out is None:
        held_out = getattr(request.data, "validation", None)
    if held_out is not None:
        found["validation_data"] = fingerprint(held_out)
    if isinstance(request.sample_weight, tuple):
        found["sample_weight"] = arrays_fingerprint(request.sample_weight)
    elif request.sample_weight is not None:
        weight = np.asarray(request.sample_weight)
        found["sample_weight"] = array_fingerprint(weight)
    return found


def _class_weight(model: Model, given: Any, train: Dataset) -> Any:
    """Return class weights as a recipe keeps them."""
    if given is None or has_several(model.network):
        return given  # of several outputs as it was asked for
    return resolve(
        train.labels,
        require("loss", model.loss),
        model.network.output_shape,
        given,
        get_class_names(model, train),
    )


def _metrics(model: Model, names: Any) -> Any:
    """Return the metrics that suit the output; those of several in a recipe are ()."""
    if len(model.network.outputs) > 1:
        return tuple(names or ())
    return filter_metrics(model.output_meaning, names)


def get_class_names(model: Model, train: Dataset) -> tuple[str, ...]:
    """Return the names of the classes; none where neither data nor model has any."""
    given = train.classes or model.classes
    return model.output_meaning.class_names(given) if given else ()


def _sampler(given: Any) -> Any:
    """Return a sampler as a recipe keeps it."""
    if isinstance(given, Mapping):
        return dict(given)
    return (
        given if given is None or isinstance(given, str) else [float(w) for w in given]
    )


def _build_recipe(model: Model, request: FitRequest, train: Dataset) -> Recipe:
    """Return the recipe that the arguments of `Model.fit` are."""
    from pellucid.runs.recipe import Recipe

    config = request.config
    augment = config.augment
    document: dict[str, Any] = {
        "network": to_json(model.network),
        "data": {"given": "python"},
        "engine": model.engine.name,
        "engine_options": bit_options(model.engine),
        "loss": model.loss.to_json() if model.loss else {},
        "optimizer": model.optimizer.to_json() if model.optimizer else {},
        "schedule": config.schedule.to_json(),
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "validation_split": config.validation_split,
        "metrics": metric_names(config.metrics or ()),
        "class_weight": _class_weight(model, config.class_weight, train),
        "early_stopping": dataclasses.asdict(config.early_stopping)
        if config.early_stopping
        else None,
        "clip_norm": config.clip_norm,
        "augment": dataclasses.asdict(augment) if augment else None,
        "average": config.average.to_json() if config.average else None,
        "accumulate": config.accumulate,
        "sampler": _sampler(config.sampler),
        "shuffle": config.shuffle,
        "seed": model.seed,
        "dtype": model.dtype,
        "preprocessing": model.preprocessing.to_json(),
        "provenance": provenance(model.engine.name),
    }
    return Recipe.parse(document, origin="fit")
