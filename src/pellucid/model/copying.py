"""Pickling and copying of models."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pellucid.engines.protocol import Engine
from pellucid.errors import ExchangeError
from pellucid.network.ports import require_known_layers
from pellucid.objectives import is_built_in
from pellucid.runs import ModelFile

if TYPE_CHECKING:
    from pellucid.model.model import Model
    from pellucid.model.state import StatefulModel


def to_bytes(model: StatefulModel) -> bytes:
    """Return a ``.pellucid`` file that holds the optimizer's state too.

    Raises
    ------
    ExchangeError, NetworkError
        If loss, optimizer or a layer are the caller's own, which are in no pickle.
    """
    require_known_layers("pickle", model.network)
    for name, given in (("loss", model.loss), ("optimizer", model.optimizer)):
        if given is not None and not is_built_in(given):
            raise ExchangeError(
                f"pickle: {name} must be one of pellucid's, for a class of yours "
                f"stands in no file; got {type(given).__name__}. Save the model "
                "(model.save), load it there, and make the Model with its own "
                f"{name}=…"
            )
    return dataclasses.replace(model.file(), weights=model.state()).to_bytes()


def from_bytes(content: bytes, engine: Engine, clip_norm: float | None) -> Model:
    """Return the model that `to_bytes` wrote; nothing but constructors is run.

    Raises
    ------
    ExchangeError
        If it is something else.
    """
    file = ModelFile.from_bytes(content)
    from pellucid.model.model import Model

    model = Model(
        file.network,
        engine=engine,
        loss=file.loss,
        optimizer=file.optimizer,
        seed=file.seed,
        dtype=file.dtype,
        preprocessing=file.preprocessing,
        classes=file.classes,
        output_meaning=file.output_meaning,
    )
    model.clip(clip_norm)
    model.load_state(file.weights)
    known = file.input_range
    model.input_range.take_over(known, warns=known is not None)
    return model
