"""Rounds that something else disturbed are left out; enough quiet ones must stay."""

from types import SimpleNamespace

import pytest

from pellucid.benchmark.results import Round, Timing
from pellucid.compare.methods.interleaved import ContenderTiming


def _make_timing(quiet: int, disturbed: int) -> ContenderTiming:
    rounds = [
        Round(times_s=(0.001,), slowdown=0.0, is_disturbed=False, idle_cpu_s=0.0)
        for _ in range(quiet)
    ] + [
        Round(times_s=(0.002,), slowdown=1.0, is_disturbed=True, idle_cpu_s=0.0)
        for _ in range(disturbed)
    ]
    timing = Timing(contender="numpy", rounds=tuple(rounds))
    contender = SimpleNamespace(name="numpy")
    return ContenderTiming(contender=contender, batch=1, timing=timing)


@pytest.mark.parametrize(
    ("quiet", "disturbed", "expected"),
    [(10, 0, False), (3, 7, False), (2, 8, True), (2, 1, False), (1, 4, True)],
)
def test_three_quiet_rounds_or_half_of_them_are_enough(quiet, disturbed, expected):
    assert _make_timing(quiet, disturbed).is_disturbed is expected


def test_only_quiet_rounds_count_where_there_are_some():
    assert _make_timing(1, 9).times_s == [0.001]
    assert _make_timing(0, 2).times_s == [0.002, 0.002]
