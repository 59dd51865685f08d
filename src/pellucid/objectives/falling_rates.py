"""Schedules that fall from the first step on: 1 / (1 + kt), and a power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import NetworkError
from pellucid.objectives.schedule import Progress, Schedule


@dataclass(frozen=True)
class InverseTime(Schedule):
    """Divide the learning rate by ``1 + decay · step / every``.

    Parameters
    ----------
    decay : float
        k, at least 0.
    every : int
        Steps that count as one unit of time, at least 1.

    Raises
    ------
    NetworkError
        If a number is out of its range.

    References
    ----------
    H. Robbins, S. Monro, A stochastic approximation method, Annals of Mathematical
    Statistics 22, 1951.
    """

    decay: float = 1.0
    every: int = 1000

    name: ClassVar[str] = "inverse_time"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every < 1 or not self.decay >= 0:
            raise NetworkError(
                "InverseTime: every must be at least 1 and decay at least 0; "
                f"got every={self.every}, decay={self.decay}."
            )

    def factor(self, at: Progress) -> float:
        """Return ``1 / (1 + decay · step / every)``."""
        return 1 / (1 + self.decay * at.step / self.every)


@dataclass(frozen=True)
class Polynomial(Schedule):
    """Fall from 1 to ``floor`` as a power of what is left of the steps.

    Parameters
    ----------
    power : float
        1 for a straight line; positive.
    floor : float
        Factor at the end, from 0 to 1.

    Raises
    ------
    NetworkError
        If a number is out of its range.

    References
    ----------
    L.-C. Chen et al., DeepLab, 2016, arXiv:1606.00915, section 4.1 (``power=0.9``).
    """

    power: float = 1.0
    floor: float = 0.0

    name: ClassVar[str] = "polynomial"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.power > 0 or not 0 <= self.floor <= 1:
            raise NetworkError(
                "Polynomial: power must be positive and floor from 0 to 1; "
                f"got power={self.power}, floor={self.floor}."
            )

    def factor(self, at: Progress) -> float:
        """Return ``floor + (1 − floor)(1 − step / steps) ** power``."""
        rest = 1 - min(at.step / max(at.steps, 1), 1.0)
        return float(self.floor + (1 - self.floor) * rest**self.power)
