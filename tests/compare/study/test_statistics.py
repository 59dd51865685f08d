"""Intervals of means, and whether engines differ by more than seeds do."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.compare.study.statistics import interval, permutation_test


def test_the_interval_of_a_mean_is_students():
    spread = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert spread.median == 3.0
    assert spread.high - 3.0 == pytest.approx(2.776 * np.std(range(5), ddof=1) / 5**0.5)
    assert interval([2.0]).low == 2.0


def test_engines_that_differ_beyond_the_seeds_are_told_apart():
    rng = np.random.default_rng(0)
    seeds = rng.normal(size=8)
    near = {e: list(seeds + 0.1 * rng.normal(size=8)) for e in "abc"}
    far = near | {"d": list(seeds + 3 + 0.1 * rng.normal(size=8))}
    assert permutation_test(near) > 0.05
    assert permutation_test(far) < 0.001
