"""Dropout layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.errors import NetworkError
from pellucid.network import checks
from pellucid.network.layers.base import SameShape


@dataclass(frozen=True)
class Dropout(SameShape):
    """Set a share of the numbers to 0 and scale the rest by 1 / (1 − rate).

    In inference the layer does nothing (Srivastava et al. 2014, in the inverted
    form). The masks are pellucid's own and the same on every engine.

    Parameters
    ----------
    rate : float
        Probability of being dropped, 0 ≤ rate < 1.
    """

    rate: float = 0.5

    stem: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        rate = checks.number(self.who, "rate", self.rate, low=0, high=1)
        if rate == 1:
            raise NetworkError(f"{self.who}: rate must be less than 1; got rate=1.")
        object.__setattr__(self, "rate", rate)
