"""This file is what a training is told: everything but the network and the data."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.errors import NetworkError
from pellucid.network.checks import is_int
from pellucid.objectives import ConstantRate, Metrics, Schedule
from pellucid.training.early_stopping import EarlyStopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a trainer is told.

    Parameters
    ----------
    epochs : int
        Passes over the data, at least 0.
    learning_rate : float
        The rate that the schedule's factor multiplies.
    schedule : Schedule
        Factor for every step.
    metrics : sequence of str or function, optional
        Names of metrics, or functions as in `MetricFunction`; those that suit the
        output, if left out.
    early_stopping : EarlyStopping, optional
        When to end.
    keeps_best : bool
        Whether the best epoch's weights are kept beside the last ones.
    """

    epochs: int
    learning_rate: float
    schedule: Schedule = ConstantRate()  # noqa: RUF009 - it is frozen
    metrics: Metrics | None = None
    early_stopping: EarlyStopping | None = None
    keeps_best: bool = False

    def __post_init__(self) -> None:
        if not is_int(self.epochs) or self.epochs < 0:
            raise NetworkError(
                f"fit: epochs must be an int of at least 0; got epochs={self.epochs!r}."
            )
