"""Early stopping, and the best weights so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.training.history import EpochRecord

Weights = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """End when a figure has not improved for some epochs.

    Parameters
    ----------
    patience : int
        Epochs without improvement that are waited for, at least 1.
    monitor : str, optional
        A key of the history. A loss shall fall, a metric shall rise. val_loss where
        there is validation data, else loss, if it is left out.
    min_delta : float
        What counts as an improvement, at least 0.
    restore_best : bool
        Whether the model ends with the best epoch's weights.
    """

    patience: int = 3
    monitor: str | None = None
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        if self.patience < 1 or self.min_delta < 0:
            raise NetworkError(
                "EarlyStopping: patience must be at least 1 and min_delta at least 0; "
                f"got patience={self.patience}, min_delta={self.min_delta}."
            )


def check_monitor(
    early: EarlyStopping | None, metrics: Iterable[str], *, has_validation: bool
) -> None:
    """Refuse to monitor what no epoch will have.

    Raises
    ------
    NetworkError
        If there is no such figure.
    """
    if early is None or early.monitor is None:
        return
    names = ["loss", *metrics]
    if has_validation:
        names += [f"val_{name}" for name in names]
    if early.monitor not in names:
        raise NetworkError(
            f"EarlyStopping: monitor must be one of {', '.join(names)}; "
            f"got {early.monitor!r}."
        )


def monitored_value(monitor: str | None, record: EpochRecord) -> tuple[str, float]:
    """Return the name and value of the figure to watch; smaller is better."""
    default = "val_loss" if "val_loss" in record else "loss"
    name = monitor or default
    if name not in record:
        raise NetworkError(
            f"EarlyStopping: monitor must be one of {', '.join(record)}; got {name!r}."
        )
    value = record[name]
    return name, value if name.endswith(("loss", "error")) else -value


def weights_of(state: Mapping[str, npt.NDArray[Any]]) -> Weights:
    """Return the weights of a session's state, without optimizer and counters."""
    return {
        key.removeprefix("weights/"): array
        for key, array in state.items()
        if key.startswith("weights/")
    }


@dataclass(slots=True)
class BestSoFar:
    """The best epoch yet, its weights, and how long ago it was."""

    value: float = math.inf
    epoch: int = 0
    stalled: int = 0
    weights: Weights = field(default_factory=dict)

    def improves(self, value: float, *, epoch: int, min_delta: float) -> bool:
        """Take an epoch into account; return whether it is the best."""
        if value < self.value - min_delta or self.epoch == 0:
            self.value, self.epoch, self.stalled = value, epoch, 0
            return True
        self.stalled += 1
        return False
