"""Statistics: medians with quartiles, ratios with their spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median between what surrounds it."""

    low: float
    median: float
    high: float


def quartiles(values: Sequence[float]) -> Spread:
    """Return the median between the first and third quartile.

    Examples
    --------
    >>> quartiles([4.0, 1.0, 2.0, 3.0, 5.0])
    Spread(low=2.0, median=3.0, high=4.0)
    """
    if len(values) == 1:
        return Spread(low=values[0], median=values[0], high=values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low=low, median=median, high=high)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of all does not exceed.

    Examples
    --------
    >>> percentile([3.0, 1.0, 2.0, 4.0], 0.95)
    4.0
    """
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def paired_ratio(theirs: Sequence[float], ours: Sequence[float]) -> Spread:
    """Return how many times as long they take, from the medians of each round.

    Parameters
    ----------
    theirs, ours : sequence of float
        Seconds, one per round; the rounds are paired, so that what slows a whole
        round down falls out.

    Examples
    --------
    >>> paired_ratio([4.0, 6.0, 9.0], [2.0, 2.0, 3.0])
    Spread(low=2.5, median=3.0, high=3.0)
    """
    pairs = zip(theirs, ours, strict=True)
    return quartiles([their / our for their, our in pairs])


def growth_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the exponent by which values grow with sizes: 1 is linear.

    The slope of the straight line through the logarithms.

    Examples
    --------
    >>> round(growth_exponent([1, 2, 4], [3.0, 6.0, 12.0]), 6)
    1.0
    """
    x, y = [math.log(s) for s in sizes], [math.log(v) for v in values]
    return statistics.linear_regression(x, y).slope
