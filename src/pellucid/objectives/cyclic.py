"""Cyclical learning rates: up and down along triangles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import NetworkError
from pellucid.objectives.schedule import Progress, Schedule


@dataclass(frozen=True)
class Cyclic(Schedule):
    """Rise from ``low`` to the full rate and fall back, again and again.

    Parameters
    ----------
    rise, fall : int
        Steps upwards, and downwards; as many as upwards if ``fall`` is 0.
    low : float
        Factor at the bottom, from 0 to less than 1.
    gamma : float
        What each cycle's height is multiplied by after the one before it: 1 keeps it,
        0.5 is *triangular2*.

    Raises
    ------
    NetworkError
        If a number is out of its range.

    References
    ----------
    L. Smith, Cyclical learning rates for training neural networks, 2015,
    arXiv:1506.01186, section 3.
    """

    rise: int = 2000
    fall: int = 0
    low: float = 0.1
    gamma: float = 1.0

    name: ClassVar[str] = "cyclic"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rise < 1 or self.fall < 0:
            raise NetworkError(
                "Cyclic: rise must be at least 1 and fall at least 0; "
                f"got rise={self.rise}, fall={self.fall}."
            )
        if not 0 <= self.low < 1 or not 0 < self.gamma <= 1:
            raise NetworkError(
                "Cyclic: low must be from 0 to less than 1, and gamma above 0, at most "
                f"1; got low={self.low}, gamma={self.gamma}."
            )

    def factor(self, at: Progress) -> float:
        """Return the factor on the rise or on the fall."""
        fall = self.fall or self.rise
        cycle, place = divmod(at.step, self.rise + fall)
        up = place < self.rise
        height = place / self.rise if up else 1 - (place - self.rise) / fall
        return float(self.low + (1 - self.low) * height * self.gamma**cycle)
