"""What is asked of formats that are compiled: a processor, a training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pellucid.engines.integer_networks import refuse_integers
from pellucid.errors import ExchangeError, NetworkError
from pellucid.network.ports import require_single
from pellucid.objectives import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredErrorSum,
    MeanSquaredError,
)

if TYPE_CHECKING:
    from pellucid.runs import ModelFile

#: most images of a training step where nothing else is said
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeOptions:
    """Which code is written.

    Parameters
    ----------
    target : str, optional
        One of `pellucid.exchange.native.targets.TARGETS`.
    train : bool
        Whether the training step is there, too.
    batch_size : int
        Most images of one training step; memory is planned for them.
    """

    target: str | None = None
    train: bool = False
    batch_size: int = BATCH

    def __post_init__(self) -> None:
        if not isinstance(self.batch_size, int) or not 1 <= self.batch_size <= 1 << 20:
            raise ExchangeError(
                "export: batch_size must be a number from 1 to 1048576; got "
                f"batch_size={self.batch_size}."
            )


PLAIN = NativeOptions()
_LOSSES = (CrossEntropy, BinaryCrossEntropy, MeanSquaredError, HalfSquaredErrorSum)


def training_of(file: ModelFile, options: NativeOptions, who: str) -> dict[str, Any]:
    """Return what the training step is built from; nothing where none is asked for.

    Raises
    ------
    ExchangeError
        If the model has no loss or optimizer, or several inputs or outputs.
    """
    if not options.train:
        return {}
    refuse_integers(f"{who} with the training step", file.network)
    for what, given in (("a loss", file.loss), ("an optimizer", file.optimizer)):
        if given is None:
            raise ExchangeError(
                f"{who}: a model must have {what} to be exported with its training "
                "step; got none. Give it to pl.Model, or export without --train."
            )
    try:
        require_single(f"{who} with the training step", file.network, sharing=True)
    except NetworkError as error:
        raise ExchangeError(str(error)) from error
    if not isinstance(file.loss, _LOSSES):
        known = ", ".join(kind().name for kind in _LOSSES)
        raise ExchangeError(
            f"{who}: the loss of a training step must be one of {known}; got "
            f"{getattr(file.loss, 'name', type(file.loss).__name__)}."
        )
    return {
        "loss": file.loss,
        "optimizer": file.optimizer,
        "images": options.batch_size,
        "seed": file.seed,
    }
