"""Results: spreads, ratios, JSON that a program can rest on."""

import json

import pytest

from pellucid.benchmark.results import CaseResult, Report, Round, Timing, join_cases


def timing(contender, *rounds, **more):
    rounds = tuple(Round(times_s=tuple(times)) for times in rounds)
    return Timing(contender=contender, rounds=rounds, **more)


@pytest.fixture
def case():
    return CaseResult(
        name="mnist-torch, batch 64",
        timings=(
            timing("pellucid", (1.0, 1.0, 1.0), (2.0, 2.0, 2.0)),
            timing("slow", (5.0, 5.0, 5.0), (8.0, 8.0, 8.0)),
            timing("slower", (6.0, 7.0, 6.0), (9.0, 9.0, 9.0)),
            Timing(contender="broken", failure="broken: said no"),
        ),
        facts={"batch_size": 64},
    )


def test_ratios_pair_the_rounds(case):
    assert case.ratio_to("slow").median == pytest.approx((5 / 1 + 8 / 2) / 2)
    assert case.best_contender.contender == "slow"
    assert case.ours.contender == "pellucid"
    assert case.ratio_to("broken") is None
    assert case.ratio_to("nobody") is None


def test_a_case_measured_again_has_the_turns_of_both(case):
    again = CaseResult(
        name="another",
        timings=(
            Timing(contender="slower", failure="slower: ended"),
            timing("slow", (7.0,)),
            timing("pellucid", (3.0,)),
            timing("broken", (1.0,)),
        ),
    )
    both = join_cases([case, again])
    assert (both.name, both.facts) == (case.name, case.facts)
    assert [t.contender for t in both.timings] == [
        "pellucid",
        "slow",
        "slower",
        "broken",
    ]
    assert [round_.median_s for round_ in both.timing("pellucid").rounds] == [1, 2, 3]
    assert both.ratio_to("slow").median == pytest.approx(4)
    failures = [timing.failure for timing in both.timings]
    assert failures == [None, None, "slower: ended", "broken: said no"]
    assert both.timing("slower") is None


def test_rounds_that_were_broken_off_have_no_ratio(case):
    short = timing("short", (5.0,))
    other = CaseResult(name="x", timings=(*case.timings, short))
    assert other.ratio_to("short") is None


def test_json_says_everything_with_a_schema(case):
    report = Report(benchmark="train-step", cases=(case,), quiet={"turns": 6})
    document = json.loads(json.dumps(report.to_json()))
    assert list(document)[:2] == ["schema_version", "benchmark"]
    assert document["schema_version"] == 1
    (one,) = document["cases"]
    assert one["batch_size"] == 64
    assert one["best_peer"] == "slow"
    assert set(one["ratios"]) == {"slow", "slower"}
    first, *_, last = one["timings"]
    assert first["median_s"] == 1.5
    assert first["rounds_s"] == [1, 2]
    assert first["calls"] == 6
    assert first["first_quartile_s"] <= first["median_s"] <= first["third_quartile_s"]
    assert last["failure"] == "broken: said no"
    assert "median_s" not in last


def test_disturbed_rounds_are_counted():
    rounds = tuple(
        Round(times_s=(1.0,), slowdown=s, is_disturbed=s > 0.25) for s in (0.1, 0.9)
    )
    one = Timing(contender="pellucid", rounds=rounds)
    assert one.disturbed_count == 1
    assert one.to_json()["rounds_slowdown"] == [0.1, 0.9]
