"""Statistics: medians with quartiles, ratios, intervals and tests over seeds."""

from __future__ import annotations

import importlib
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.errors import MissingExtraError

_DEALS = 10_000  # permutations that are tried at most


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


def confidence_interval(values: Sequence[float]) -> Spread:
    """Return the mean with its 95 % confidence interval, by Student's t.

    Examples
    --------
    >>> confidence_interval([1.0, 2.0, 3.0]).median
    2.0
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Spread(low=mean, median=mean, high=mean)
    t = float(_import_scipy().t.ppf(0.975, len(values) - 1))
    half = t * statistics.stdev(values) / math.sqrt(len(values))
    return Spread(low=mean - half, median=mean, high=mean + half)


def permutation_test(values: Mapping[str, Sequence[float]], *, seed: int = 0) -> float:
    """Return how often chance alone sets engines as far apart as they are.

    Parameters
    ----------
    values : dict of str to sequence of float
        For each engine a value per seed, the seeds in one order.
    seed : int
        Of the deals, where there are too many to try all.

    Returns
    -------
    float
        The p-value of "the engine makes no difference": within each seed the values
        are dealt out anew among the engines, and the variance of the engines' means is
        compared with what it was. Small: the engine makes a difference.

    Examples
    --------
    >>> permutation_test({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]})
    1.0
    """

    def variance_of_means(*columns: Any, axis: int) -> Any:
        return np.var([np.mean(column, axis=axis) for column in columns], axis=0)

    found = _import_scipy().permutation_test(
        [np.asarray(column, float) for column in values.values()],
        variance_of_means,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_DEALS,
        alternative="greater",
        rng=np.random.Generator(np.random.Philox(key=[seed, 0])),
    )
    return float(found.pvalue)


def _import_scipy() -> Any:
    try:
        return importlib.import_module("scipy.stats")
    except ImportError as error:
        raise MissingExtraError(
            f"compare: statistics over seeds need SciPy; got {error}. "
            "Run: pip install 'pellucid[compare]'"
        ) from error
