"""Base class of the learning-rate schedules, and what it sees of training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid.errors import DataError, NetworkError
from pellucid.network.checks import is_int
from pellucid.objectives.plateau import EpochLosses


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands before a step.

    Parameters
    ----------
    step, steps : int
        Number of the step, from 0, and of all steps.
    epoch, steps_per_epoch : int
        Number of the epoch, from 0, and its length.
    losses : EpochLosses
        Monitored losses of the completed epochs.
    base_rate : float
        The optimizer's learning rate.
    last_rate : float
        Learning rate of the last step of the last epoch.
    """

    step: int
    steps: int
    epoch: int
    steps_per_epoch: int
    losses: EpochLosses = field(default_factory=EpochLosses)
    base_rate: float = 1.0
    last_rate: float = 1.0


class UncountedProgress(Progress):
    """Where training stands on data that does not tell how long it is.

    Parameters
    ----------
    step, steps, epoch, steps_per_epoch, losses, base_rate, last_rate
        As in `Progress`; to ask for `steps` is an error.
    """

    __slots__ = ()

    @property
    def steps(self) -> int:
        """Refuse to say what is not known."""
        raise DataError(
            "fit: data must tell how many batches it has for a schedule over steps; "
            "got an unknown length. Give steps_per_epoch=, or a schedule over epochs."
        )

    @steps.setter
    def steps(self, value: int) -> None:
        del value

    steps_per_epoch = steps


@dataclass(frozen=True)
class Schedule:
    """Describe how the optimizer's learning rate is scaled over training."""

    name: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Refuse what is no finite number, or not whole where the default is."""
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if isinstance(one.default, float) and not _is_finite(value):
                rule = "a finite number"
            elif isinstance(one.default, int) and not is_int(value):
                rule = "a whole number"
            else:
                continue
            raise NetworkError(
                f"{type(self).__name__}: {one.name} must be {rule}; "
                f"got {one.name}={value!r}."
            )

    def factor(self, at: Progress) -> float:
        """Return the factor of the learning rate for the next step.

        Parameters
        ----------
        at : Progress
            Where training stands.

        Returns
        -------
        float
            What the optimizer's learning rate is multiplied by.
        """
        raise NotImplementedError

    def rate(self, at: Progress) -> float:
        """Return the learning rate of the next step.

        Parameters
        ----------
        at : Progress
            Where training stands.

        Returns
        -------
        float
            ``base_rate`` times the factor.
        """
        return at.base_rate * self.factor(at)

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            ``name`` and the fields; `schedule_from_json` reads it.
        """
        fields = (field.name for field in dataclasses.fields(self))
        values = {name: getattr(self, name) for name in fields}
        encoded = {
            key: value.to_json() if isinstance(value, Schedule) else value
            for key, value in values.items()
        }
        return {"name": self.name, **encoded}


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
