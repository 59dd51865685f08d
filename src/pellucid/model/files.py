"""Load a model from a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pellucid.engines.protocol import Engine
from pellucid.engines.state import check_shapes
from pellucid.model.model import Model
from pellucid.network.layers import Layer
from pellucid.objectives import Loss, Optimizer
from pellucid.runs import ModelFile


def load(
    path: str | Path,
    *,
    engine: str | Engine = "compiled",
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
    layers: Iterable[type[Layer]] = (),
) -> Model:
    """Read a ``.pellucid`` file.

    Parameters
    ----------
    path : path
        What `Model.save` wrote.
    engine : str or Engine
        Where to run it.
    loss, optimizer : str or Loss or Optimizer, optional
        Instead of the file's, to train on with others.
    layers : iterable of type, optional
        Classes of layers of one's own that the file names. Nothing is imported by a
        name in a file.

    Returns
    -------
    Model
        As it was saved.

    Raises
    ------
    ExchangeError
        If it is no such file.
    """
    file = ModelFile.read(path, layers=layers)
    return from_file(file, engine=engine, loss=loss, optimizer=optimizer)


def from_file(
    file: ModelFile,
    *,
    engine: str | Engine = "compiled",
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
) -> Model:
    """Return the model that a file holds, with its loss and optimizer or others.

    Version 0.1 kept one name where an output tells two classes apart; it names neither.

    Parameters
    ----------
    file : ModelFile
        Network, weights and what else was kept.
    engine : str or Engine
        Where to run it.
    loss, optimizer : str or Loss or Optimizer, optional
        Instead of the file's.

    Returns
    -------
    Model
        With the file's weights, and the optimizer's state where it has one.

    Raises
    ------
    EngineError, ShapeError
        If its weights are not its network's; nothing of that size has been drawn then.
    """
    check_shapes(file.network, file.weights)
    is_single = len(file.network.outputs) == 1
    is_named = is_single and file.meaning.can_be_named(file.classes)
    model = Model(
        file.network,
        engine=engine,
        loss=loss or file.loss,
        optimizer=optimizer or file.optimizer,
        seed=file.seed,
        dtype=file.dtype,
        preprocessing=file.preprocessing,
        classes=file.classes if is_named else (),
        output_meaning=file.output_meaning if is_single else None,
    )
    model.load_weights(file.weights)
    # imported models and files of 0.1 do not say what they were trained on
    known = file.input_range
    model.input_range.take_over(known, warns=known is not None)
    model.epochs = file.epochs
    return model
