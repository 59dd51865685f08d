"""Quantization parameters: how integers of eight bits stand for real numbers.

References
----------
LiteRT's 8-bit quantization specification; Jacob et al. 2018, "Quantization and
training of neural networks for efficient integer-arithmetic-only inference",
section 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pellucid.errors import NetworkError
from pellucid.network import checks

#: type of the integers → the smallest and the largest
RANGES = {"int8": (-128, 127), "uint8": (0, 255)}
#: limits that a layer's own operator may put on its output, as real numbers
CLAMPS: dict[str, tuple[float, float]] = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}


@dataclass(frozen=True)
class Quantization:
    """``real = scale · (q − zero_point)``.

    Parameters
    ----------
    scale : float
        Positive; one step.
    zero_point : int
        The integer that stands for 0.
    dtype : {"int8", "uint8"}
        Type of q.
    """

    scale: float
    zero_point: int = 0
    dtype: str = "int8"

    def __post_init__(self) -> None:
        checks.number("Quantization", "scale", self.scale)
        if self.scale <= 0:
            raise NetworkError(
                f"Quantization: scale must be positive; got scale={self.scale!r}."
            )
        if self.dtype not in RANGES:
            raise NetworkError(
                f"Quantization: dtype must be one of {', '.join(RANGES)}; "
                f"got dtype={self.dtype!r}."
            )
        low, high = RANGES[self.dtype]
        if not checks.is_int(self.zero_point) or not low <= self.zero_point <= high:
            raise NetworkError(
                f"Quantization: zero_point must be an int from {low} to {high}; "
                f"got zero_point={self.zero_point!r}."
            )

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest q − zero_point."""
        low, high = RANGES[self.dtype]
        return low - self.zero_point, high - self.zero_point

    def clamped(self, clamp: str | None) -> tuple[int, int]:
        """Return the limits of q − zero_point that a clamp leaves.

        Parameters
        ----------
        clamp : {"relu", "relu6", "relu_n1_to_1"}, optional
            None leaves all.

        Returns
        -------
        (int, int)
            The smallest and the largest.
        """
        low, high = self.limits
        if clamp is None:
            return low, high
        least, most = CLAMPS[clamp]
        low = max(low, round_away(least / self.scale))
        return low, high if most == math.inf else min(
            high, round_away(most / self.scale)
        )


def round_away(x: float) -> int:
    """Round to the nearest integer, halves away from zero."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def as_quantization(who: str, name: str, value: Any) -> Quantization:
    """Return a layer's argument if it is a Quantization."""
    if not isinstance(value, Quantization):
        raise NetworkError(
            f"{who}: {name} must be a Quantization; got {name}={value!r}."
        )
    return value


def encode_multiplier(real: float) -> tuple[int, int]:
    """Return (m, s) with real = m · 2^(s − 31), m of 31 bits."""
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    whole_part = math.floor(fraction * 2**31 + 0.5)
    if whole_part == 2**31:
        whole_part, shift = whole_part // 2, shift + 1
    return (0, 0) if shift < -31 else (whole_part, shift)


def ten_bit_taps(
    n: int, m: int, coordinates: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the two of n elements that each of m lies between, as LiteRT rounds them.

    Parameters
    ----------
    n, m : int
        Elements of the input and of the output.
    coordinates : str
        As in `Resize`.

    Returns
    -------
    tuple of three tuples of int
        The first element, the second, and the second one's share in 1024ths.
    """
    if coordinates == "align_corners" and m > 1:
        step = (1024 * (n - 1) + (m - 1) // 2) // (m - 1)
    else:
        step = (1024 * n + m // 2) // m
    shift = step // 2 - 512 if coordinates == "half_pixel" else 0
    places = [i * step + shift for i in range(m)]
    first = tuple(max(int(at / 1024), 0) for at in places)
    second = tuple(min(int((at + 1023) / 1024), n - 1) for at in places)
    shares = (at - 1024 * one for at, one in zip(places, first, strict=True))
    return first, second, tuple(shares)
