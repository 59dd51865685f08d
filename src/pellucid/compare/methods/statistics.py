"""Confidence intervals over seeds, and a permutation test."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.benchmark.statistics import Spread

#: Student's t at 97.5 %, by degrees of freedom
_T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}
_T |= {9: 2.262, 10: 2.228, 12: 2.179, 15: 2.131, 20: 2.086, 30: 2.042, 60: 2.000}
_DEALS = 10_000


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
    degrees = len(values) - 1
    t = next((_T[d] for d in sorted(_T, reverse=True) if d <= degrees), _T[1])
    half = t * statistics.stdev(values) / math.sqrt(len(values))
    return Spread(low=mean - half, median=mean, high=mean + half)


def permutation_test(values: Mapping[str, Sequence[float]], *, seed: int = 0) -> float:
    """Return how often chance alone sets engines as far apart as they are.

    Parameters
    ----------
    values : dict of str to sequence of float
        For each engine a value per seed, the seeds in one order.

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
    table = np.array(list(values.values()), float)  # (engines, seeds)
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    found = table.mean(axis=1).var()
    dealt = rng.permuted(np.broadcast_to(table, (_DEALS, *table.shape)), axis=1)
    variances = dealt.mean(axis=2).var(axis=1)  # (deals,)
    count = int((variances >= found * (1 - 1e-9)).sum())
    return (count + 1) / (_DEALS + 1)
