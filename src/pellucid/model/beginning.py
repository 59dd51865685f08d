"""This file is where a training begins: in a new folder, or at a checkpoint.

Of several processes the first reads and writes; the others begin with what it has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pellucid.engines.world import World, from_first
from pellucid.errors import RunError
from pellucid.network import to_json
from pellucid.runs import Checkpoint, Recorder, RunFolder, provenance
from pellucid.storage import recover
from pellucid.training import Callback, History, Position

if TYPE_CHECKING:
    from pellucid.model.fitting import FitRequest
    from pellucid.model.handle import Model


@dataclass(frozen=True, slots=True)
class Begin:
    """Where a training begins, and who writes it down."""

    position: Position
    history: History
    recorders: tuple[Callback, ...] = ()


@contextmanager
def beginning(model: Model, request: FitRequest, world: World) -> Iterator[Begin]:
    """Open the run's folder, if there is one, and its checkpoint on resuming.

    Raises
    ------
    RunError
        In every process, if the folder cannot be written or holds another run.
    """
    if world.size == 1:
        with _opened(model, request, is_restarted=False) as begin:
            yield begin
        return
    with ExitStack() as stack:
        opened: list[Begin] = []

        def opened_by_first() -> bytes:
            restarted = world.is_restarted
            context = _opened(model, request, is_restarted=restarted)
            opened.append(stack.enter_context(context))
            return _checkpoint(model, opened[0]).to_bytes()

        message = from_first(world, opened_by_first)
        if not opened:
            checkpoint = Checkpoint.from_bytes(message)
            model.load_state(checkpoint.state)
            opened.append(Begin(checkpoint.position, checkpoint.history))
        yield opened[0]


def share_state(model: Model, world: World) -> None:
    """Give all processes the first one's state."""
    if world.size == 1:
        return
    begin = Begin(Position(), History())
    message = from_first(world, lambda: _checkpoint(model, begin).to_bytes())
    if world.rank:
        model.load_state(Checkpoint.from_bytes(message).state)


def _checkpoint(model: Model, begin: Begin) -> Checkpoint:
    return Checkpoint(
        state=model.state(), position=begin.position, history=begin.history
    )


@contextmanager
def _opened(
    model: Model, request: FitRequest, *, is_restarted: bool
) -> Iterator[Begin]:
    if request.run is None:
        if request.resume:
            raise RunError("fit: resume must name a run; got run=None.")
        yield Begin(Position(), History())
        return
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
        position, history = Position(), History()
        if resumes:
            checkpoint = Checkpoint.read(folder.checkpoint)
            model.load_state(checkpoint.state)
            position, history = checkpoint.position, checkpoint.history
        elif folder.has_begun:
            raise RunError(
                f"run: '{folder.path}' must be new; got a run of "
                f"{len(Checkpoint.read(folder.checkpoint).history)} epochs. Resume it, "
                "or choose another name."
            )
        recipe = _recipe(model, request, folder)
        yield Begin(position, history, (Recorder(folder, model.file(), recipe),))


def _recipe(model: Model, request: FitRequest, folder: RunFolder) -> bytes | None:
    """Return recipe.toml: what was handed over, or made of the arguments, if new."""
    if request.recipe is not None:
        return request.recipe.to_toml().encode()
    if folder.has_begun and folder.recipe.exists():
        return None
    from pellucid.runs.recipe import Recipe

    augment = request.augment
    document: dict[str, Any] = {
        "network": to_json(model.network),
        "data": {"given": "python"},
        "engine": model.engine.name,
        "loss": model.loss.to_json() if model.loss else {},
        "optimizer": model.optimizer.to_json() if model.optimizer else {},
        "schedule": request.schedule.to_json(),
        "epochs": request.epochs,
        "batch_size": request.batch_size,
        "validation_split": request.validation_split,
        "metrics": request.metrics,
        "class_weight": {str(k): v for k, v in (request.class_weight or {}).items()}
        or None,
        "early_stopping": dataclasses.asdict(request.early_stopping)
        if request.early_stopping
        else None,
        "clip_norm": request.clip_norm,
        "augment": dataclasses.asdict(augment) if augment else None,
        "shuffle": request.shuffle,
        "seed": model.seed,
        "dtype": model.dtype,
        "preprocessing": model.preprocessing.to_json(),
        "provenance": provenance(model.engine.name),
    }
    return Recipe.parse(document, origin="fit").to_toml().encode()
