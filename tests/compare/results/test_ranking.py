"""The ranking: scores against the best, means by weight, ties within the spread."""

from __future__ import annotations

import pytest
from oracles import studies

from pellucid.compare.results import (
    Result,
    explain_no_ranking,
    list_left_out,
    normalize_weights,
    rank,
    score_metrics,
)


def speed(**values: float) -> dict[str, list]:
    return {
        e: [studies.number("images/s", v, unit="images/s")] for e, v in values.items()
    }


def test_the_best_scores_one_and_half_as_good_a_half():
    found = studies.results(
        latency=studies.latency(compiled=1.0, torch=2.0),
        speed=speed(compiled=100.0, torch=400.0),
    )
    scores = {
        s.priority: {x.engine: x.value for x in s.scores} for s in score_metrics(found)
    }
    assert scores == {
        "latency": {"compiled": 1.0, "torch": 0.5},
        "training": {"compiled": 0.25, "torch": 1.0},
    }


def test_weights_turn_the_order_round():
    found = studies.results(
        latency=studies.latency(compiled=1.0, torch=4.0),
        speed=speed(compiled=100.0, torch=400.0),
    )
    first = {
        name: rank(found, {name: 1.0})[0].engine for name in ("latency", "training")
    }
    assert first == {"latency": "compiled", "training": "torch"}
    (one, other) = rank(found, {"latency": 3.0, "training": 1.0})
    assert (one.engine, one.value) == ("compiled", pytest.approx(0.75 + 0.25 / 4))
    assert (other.engine, other.value) == ("torch", pytest.approx(0.75 / 4 + 0.25))


def test_engines_within_the_spread_are_tied_and_share_a_place():
    values = {"compiled": 1.0, "torch": 1.1, "jax": 3.0}
    found = studies.results(latency=studies.latency(**values))
    places = rank(found, {"latency": 1.0})
    assert [(p.engine, p.place, p.is_tied) for p in places] == [
        ("compiled", 1, True),
        ("torch", 1, True),
        ("jax", 3, False),
    ]


def test_an_engine_that_failed_scores_nothing_and_says_why():
    found = studies.results(latency=studies.latency(compiled=1.0, torch=2.0))
    failed = Result(row="latency", engine="torch", status="failed", reason="it hung.")
    speeds = studies.results(
        latency=studies.latency(compiled=1.0, torch=2.0),
        speed=speed(compiled=1.0, torch=1.0),
    )
    found = speeds.with_results([failed])
    score = score_metrics(found)[0].score("torch")
    assert (score.value, score.shown) == (0, "it hung.")
    assert rank(found, {"latency": 1.0})[-1].engine == "torch"


def test_what_was_not_measured_for_all_does_not_count():
    found = studies.results(
        latency=studies.latency(compiled=1.0, torch=2.0),
        speed=speed(compiled=1.0, torch=1.0),
    )
    waiting = Result(row="latency", engine="torch", status="not yet")
    assert [s.row for s in score_metrics(found.with_results([waiting]))] == ["speed"]
    speed_only = studies.results(
        latency=studies.latency(compiled=1.0), speed=speed(compiled=1.0, torch=1.0)
    )
    assert [s.row for s in score_metrics(speed_only)] == ["speed"]
    assert rank(studies.results(), None) == []


def test_a_difference_of_zero_is_as_good_as_it_gets():
    found = studies.results(latency=studies.latency(compiled=0.0, torch=1.0))
    scores = {s.engine: s.value for s in score_metrics(found)[0].scores}
    assert scores == {"compiled": 1.0, "torch": 0.0}


def test_priorities_without_a_figure_are_left_out_of_the_weights():
    found = score_metrics(
        studies.results(latency=studies.latency(compiled=1.0, torch=2.0))
    )
    assert normalize_weights({"latency": 1.0, "size": 9.0}, found) == {"latency": 1.0}
    assert normalize_weights(None, found) == {"latency": 1.0}


def truths(**values: bool | None) -> dict[str, list]:
    return {e: [studies.number("images/s", v)] for e, v in values.items()}


@pytest.mark.parametrize(("value", "score"), [(False, 0.0), (True, 1.0), (0, 0.0)])
def test_a_criterion_that_is_the_same_for_all_is_shown_and_does_not_count(value, score):
    found = studies.results(
        latency=studies.latency(compiled=1.0, torch=2.0),
        speed=truths(compiled=value, torch=value),
    )
    (_, same) = score_metrics(found)
    assert [s.value for s in same.scores] == [score, score]
    assert not same.separates
    weights = {"latency": 1.0, "training": 1.0}
    assert normalize_weights(weights, score_metrics(found)) == {"latency": 1.0}
    assert [p.value for p in rank(found, weights)] == [1.0, 0.5]
    (left,) = list_left_out(found)
    assert (left.row, left.why) == ("speed", "the same for all engines")


def test_a_value_that_is_no_number_scores_nothing():
    found = studies.results(speed=speed(compiled=float("nan"), torch=1.0))
    (step,) = score_metrics(found)
    assert [s.value for s in step.scores] == [0.0, 1.0]


@pytest.mark.parametrize("status", ["not installed", "does not apply", "full only"])
def test_an_engine_that_was_not_asked_does_not_score_0(status):
    found = studies.results(
        latency=studies.latency(compiled=1.0, torch=2.0),
        speed=speed(compiled=1.0, torch=2.0),
    )
    unasked = Result(row="speed", engine="torch", status=status)
    found = found.with_results([unasked])
    assert [s.row for s in score_metrics(found)] == ["latency"]
    assert list_left_out(found)[0].why == "not measured for torch"


def test_one_engine_alone_is_not_ranked():
    found = studies.results(latency=studies.latency(compiled=1.0))
    assert rank(found, {"latency": 1.0}) == []
    assert explain_no_ranking(found, {"latency": 1.0}).startswith(
        "there must be measurements of"
    )
