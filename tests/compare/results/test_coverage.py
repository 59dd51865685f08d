"""A ranking rests on enough questions, or says on how many it would."""

from __future__ import annotations

import pytest
from oracles import studies

from pellucid.compare.criteria import CRITERIA, find_criterion
from pellucid.compare.report.summary import coverage_line
from pellucid.compare.results import (
    Question,
    Result,
    Results,
    explain_no_ranking,
    measure_coverage,
    rank,
)


def two() -> Results:
    return studies.results(
        latency=studies.latency(compiled=1.0, torch=2.0),
        speed={
            engine: [studies.number("images/s", value, unit="images/s")]
            for engine, value in (("compiled", 2.0), ("torch", 1.0))
        },
    )


def some(count: int) -> Results:
    """Return results of the first rows, in which compiled is always better."""
    names = CRITERIA[:count]
    questions = [
        Question.from_json(find_criterion(name).description()) for name in names
    ]
    cells = []
    for question in questions:
        for engine, (good, bad) in (("compiled", (2.0, 1.0)), ("torch", (1.0, 2.0))):
            measurements = [
                studies.number(a["figure"], bad if a["lower_is_better"] else good)
                for a in question.aspects
            ]
            cells.append(
                Result(
                    row=question.name,
                    engine=engine,
                    status="measured",
                    figures=tuple(measurements),
                )
            )
    settings = {**two().settings, "engines": ["compiled", "torch"]}
    return Results(settings=settings, questions=tuple(questions), cells=tuple(cells))


@pytest.mark.parametrize("count", range(1, len(CRITERIA) + 1))
def test_it_ranks_from_three_quarters_of_the_questions_on(count):
    found = some(count)
    is_enough = count >= 0.75 * len(CRITERIA)
    assert measure_coverage(found, None).to_json() == {
        "measured": count,
        "asked": len(CRITERIA),
        "is_enough": is_enough,
    }
    places = rank(found, None)
    assert bool(places) == is_enough
    line = f"No ranking: not enough measured: {count} of {len(CRITERIA)} questions."
    assert (coverage_line(found, None) == line) != is_enough
    if places:
        assert [p.engine for p in places] == ["compiled", "torch"]


def test_who_says_what_matters_is_answered_by_the_questions_of_it():
    assert (
        explain_no_ranking(two(), None)
        == f"not enough measured: 2 of {len(CRITERIA)} questions"
    )
    assert rank(two(), {"latency": 2.0, "training": 1.0})[0].engine == "compiled"
    assert explain_no_ranking(two(), {"latency": 1.0, "size": 1.0}) == (
        "not enough measured: 1 of 2 questions"
    )
    assert (
        explain_no_ranking(two(), {"ease": 1.0})
        == "not enough measured: 0 of 1 questions"
    )


def test_what_separates_nobody_ranks_nobody():
    level = studies.results(latency=studies.latency(compiled=1.0, torch=1.0))
    assert rank(level, {"latency": 1.0}) == []
    assert explain_no_ranking(level, {"latency": 1.0}) == (
        "nothing that was measured tells the engines apart"
    )
