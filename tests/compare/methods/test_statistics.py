"""Intervals of means, and whether engines differ by more than seeds do."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.compare.methods.statistics import confidence_interval, permutation_test


def test_the_interval_of_a_mean_is_students():
    spread = confidence_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert spread.median == 3.0
    assert spread.high - 3.0 == pytest.approx(2.776 * np.std(range(5), ddof=1) / 5**0.5)
    assert confidence_interval([2.0]).low == 2.0


def noisy(rng, shift=0.0):
    """Return values of three engines over eight seeds, one of them shifted."""
    seeds = rng.normal(size=8)
    values = {e: list(seeds + 0.1 * rng.normal(size=8)) for e in "abc"}
    return values | {"a": [value + shift for value in values["a"]]}


def test_engines_that_differ_beyond_the_seeds_are_told_apart():
    rng = np.random.default_rng(0)
    assert permutation_test(noisy(rng, shift=1.0)) < 0.001


def test_chance_is_called_a_difference_as_often_as_is_stated():
    rng = np.random.default_rng(0)
    found = [permutation_test(noisy(rng), seed=i) for i in range(60)]
    assert sum(p < 0.05 for p in found) <= 8  # 3 expected; 9 or more: once in 400
    assert 0.35 < np.mean(found) < 0.65
