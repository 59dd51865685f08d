"""This file is how a model comes back from disk."""

from __future__ import annotations

from pathlib import Path

from pellucid.engines.protocol import Engine
from pellucid.engines.state import check_shapes
from pellucid.model.handle import Model
from pellucid.runs import ModelFile


def load(path: str | Path, *, engine: str | Engine = "compiled") -> Model:
    """Read a ``.pellucid`` file.

    Parameters
    ----------
    path : path
        What `Model.save` wrote.
    engine : str or Engine
        Where to run it.

    Raises
    ------
    ExchangeError
        If it is no such file.
    """
    return from_file(ModelFile.read(path), engine=engine)


def from_file(file: ModelFile, *, engine: str | Engine = "compiled") -> Model:
    """Return the model that a file holds.

    Version 0.1 kept one name where an output tells two classes apart; it names neither.

    Raises
    ------
    EngineError, ShapeError
        If its weights are not its network's; nothing of that size has been drawn then.
    """
    check_shapes(file.network, file.weights)
    is_named = file.meaning.can_be_named(file.classes)
    model = Model(
        file.network,
        engine=engine,
        loss=file.loss,
        optimizer=file.optimizer,
        seed=file.seed,
        dtype=file.dtype,
        preprocessing=file.preprocessing,
        classes=file.classes if is_named else (),
        output_meaning=file.output_meaning,
    )
    model.load_weights(file.weights)
    # what came from elsewhere, or from 0.1, does not say what it was trained on
    known = file.input_range
    model.input_range.take_over(known, warns=known is not None)
    model.epochs = file.epochs
    return model
