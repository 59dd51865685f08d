"""Medians, quartiles, paired ratios, growth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.benchmark import statistics
from pellucid.benchmark.statistics import (
    confidence_interval,
    growth_exponent,
    paired_ratio,
    percentile,
    permutation_test,
    quartiles,
)
from pellucid.errors import MissingExtraError

times = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=50)


@given(times)
def test_quartiles_stand_in_order_within_the_values(values):
    spread = quartiles(values)
    # interpolation rounds
    slack = 1e-9 * max(values)
    assert min(values) <= spread.low + slack
    assert spread.low <= spread.median + slack
    assert spread.median <= spread.high + slack
    assert spread.high <= max(values) + slack


@given(times)
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values):
    found = percentile(values, 0.95)
    assert found in values
    assert sum(v <= found for v in values) >= 0.95 * len(values)


def test_a_slow_round_falls_out_of_the_ratio():
    ours, theirs = [1.0, 1.0, 10.0], [4.0, 4.0, 40.0]
    spread = paired_ratio(theirs, ours)
    assert (spread.low, spread.median, spread.high) == (4, 4, 4)


def test_rounds_that_do_not_pair_are_an_error():
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0], [1.0, 2.0])


@given(st.floats(-2, 3))
def test_growth_finds_the_power(power):
    sizes = [1.0, 2.0, 4.0, 16.0]
    assert growth_exponent(sizes, [3 * s**power for s in sizes]) == pytest.approx(power)


def test_the_interval_of_a_mean_is_students():
    spread = confidence_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert spread.median == 3.0
    assert spread.high - 3.0 == pytest.approx(
        2.7764451 * np.std(range(5), ddof=1) / 5**0.5
    )
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


def test_intervals_and_tests_need_scipy_and_say_so(monkeypatch):
    def absent(name):
        raise ImportError("No module named 'scipy'")

    monkeypatch.setattr(statistics.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'pellucid\[compare\]'"):
        confidence_interval([1.0, 2.0])
