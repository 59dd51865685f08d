"""Medians, quartiles, paired ratios, growth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.benchmark.statistics import (
    growth_exponent,
    paired_ratio,
    percentile,
    quartiles,
)

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
