"""The session of a training that goes through its batches in parts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pellucid.engines.distributed import world_of
from pellucid.engines.protocol import Session
from pellucid.errors import DataError
from pellucid.objectives import Loss, Optimizer
from pellucid.training import FitConfig
from pellucid.training.accumulation import AccumulatingSession

if TYPE_CHECKING:
    from pellucid.model.model import Model


def accumulating(
    model: Model, config: FitConfig, loss: Loss, optimizer: Optimizer
) -> Session:
    """Return the model's session; one that goes through batches in parts, if asked.

    Raises
    ------
    DataError
        If several processes share a batch.
    """
    if config.accumulate == 1:
        return model.session
    if world_of(model.engine).size > 1:
        raise DataError(
            "fit: accumulate must be 1 where several processes share a batch; got "
            f"accumulate={config.accumulate}."
        )
    clipped = dataclasses.replace(optimizer, clip_norm=config.clip_norm)
    return AccumulatingSession(  # type: ignore[return-value]
        model.session,
        network=model.network,
        loss=loss,
        optimizer=optimizer if config.clip_norm is None else clipped,
        parts=config.accumulate,
    )
