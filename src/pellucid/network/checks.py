"""Checks of a layer's arguments."""

from __future__ import annotations

import math
from typing import Any

from pellucid.errors import NetworkError, ShapeError

Pair = tuple[int, int]


def is_int(value: Any) -> bool:
    """True for an int that is not a bool (NumPy's integers included)."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def integer(who: str, name: str, value: Any, *, minimum: int = 1) -> int:
    """Return value as an int that is at least minimum."""
    if not is_int(value) or value < minimum:
        raise NetworkError(
            f"{who}: {name} must be an int of at least {minimum}; got {name}={value!r}."
        )
    return int(value)


def pair(who: str, name: str, value: Any, *, minimum: int = 1) -> Pair:
    """Return an int or a pair of them as (height, width)."""
    values = (value, value) if is_int(value) else value
    try:
        first, second = values
    except (TypeError, ValueError):
        first = second = None
    if not (is_int(first) and is_int(second)) or min(first, second) < minimum:
        raise NetworkError(
            f"{who}: {name} must be an int of at least {minimum}, or a pair "
            f"(height, width) of them; got {name}={value!r}."
        )
    return int(first), int(second)


def number(
    who: str, name: str, value: Any, *, low: float = -math.inf, high: float = math.inf
) -> float:
    """Return value as a float in low … high, ends included."""
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    if not valid or not math.isfinite(value) or not low <= value <= high:
        raise NetworkError(
            f"{who}: {name} must be a number from {low:g} to {high:g}; "
            f"got {name}={value!r}."
        )
    return float(value)


def boolean(who: str, name: str, value: Any) -> bool:
    """Return value if it is True or False."""
    if not isinstance(value, bool):
        raise NetworkError(
            f"{who}: {name} must be True or False; got {name}={value!r}."
        )
    return value


def rank(who: str, shape: tuple[int, ...], expected: int) -> None:
    """Check that an input shape (without the batch) has that many axes."""
    if len(shape) != expected:
        axes = "(height, width, channels)" if expected == 3 else f"{expected} axes"
        raise ShapeError(f"{who}: input must be of shape {axes}; got shape={shape}.")


def axis(who: str, value: int, rank: int) -> int:
    """Return an axis counted from the front; the batch is not counted.

    Raises
    ------
    ShapeError
        If the input has no such axis.
    """
    if not -rank <= value < rank:
        raise ShapeError(
            f"{who}: axis must be in {-rank} … {rank - 1} for an input of {rank} axes "
            f"without the batch; got axis={value}."
        )
    return value % rank
