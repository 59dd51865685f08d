"""What was disturbed, is impossible or not the fastest mode is never ranked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracles import studies

from pellucid.compare.measurement import Measurement
from pellucid.compare.results import list_left_out, list_verdicts, rank, score_metrics

TRAINING = {"training": 1.0}


def of(*measurements: Measurement):
    """Return results in which jax has the figures and torch is half as good."""
    (first, *rest) = measurements
    value = first.value / 2
    other = replace(first, value=value, low=None, high=None, is_disturbed=False)
    return studies.results(speed={"compiled": [other], "jax": [first, *rest]})


def efficiency(value: float, **more) -> Measurement:
    return studies.number("images/s", value, unit="%", limit=100.0, **more)


def test_more_than_is_possible_is_not_ranked():
    found = of(efficiency(115.0))
    assert score_metrics(found) == []
    assert rank(found, TRAINING) == []
    assert list_verdicts(found) == []
    assert list_left_out(found)[0].why == "jax: above the 100 % that are possible"


def test_a_little_more_than_the_limit_is_the_limit():
    (step,) = score_metrics(of(efficiency(102.0, spread=30.0)))
    assert step.score("compiled").value == pytest.approx(0.51)
    assert (step.score("jax").value, step.score("jax").high) == (1.0, 1.0)


@pytest.mark.parametrize("unit", ["s", "ms", "images/s", "J"])
def test_a_disturbed_cell_s_times_are_not_ranked(unit):
    found = of(studies.number("images/s", 4.0, unit=unit))
    disturbed = [replace(cell, is_disturbed=True) for cell in found.row("speed")[1:]]
    assert score_metrics(found.with_results(disturbed)) == []
    (left,) = list_left_out(found.with_results(disturbed))
    assert left.why == "jax: something else ran on the machine"


@pytest.mark.parametrize("unit", ["", "MiB", "packages"])
def test_what_no_clock_gave_is_not_disturbed(unit):
    found = of(studies.number("images/s", 4.0, unit=unit))
    disturbed = [replace(cell, is_disturbed=True) for cell in found.row("speed")]
    assert len(score_metrics(found.with_results(disturbed))) == 1


def test_a_figure_of_mostly_disturbed_rounds_is_not_ranked():
    assert score_metrics(of(studies.number("images/s", 4.0, is_disturbed=True))) == []


def test_the_fastest_of_modes_needs_them_all_and_is_named():
    best = studies.number("images/s", 400.0, unit="images/s", mode="eager")
    left = Measurement.full_only("ms per step, compiled, batch 64", unit="ms")
    found = of(best, left)
    assert score_metrics(found) == []
    assert list_left_out(found)[0].why == "jax: modes not measured: compiled"
    slow = Measurement.full_only("ms per step, eager, batch 64", unit="ms")
    (step,) = score_metrics(of(replace(best, mode="graph"), slow))
    assert step.score("jax").shown == "400 images/s (graph)"
