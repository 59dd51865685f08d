"""The overview: the best engine of each claim, and none where one was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracles import studies

from pellucid.compare.criteria import find_criterion, list_criteria
from pellucid.compare.measurement import Measurement
from pellucid.compare.report.glance import doubt_lines, write_glance
from pellucid.compare.results import Question, Results, make_overview
from pellucid.compare.results.overview import CLAIMS


def ease(**lines: float | None) -> Results:
    """Return results of the row `ease` alone."""
    name = "lines without reading files"
    found = studies.results(
        latency={
            engine: [
                Measurement.full_only(name)
                if value is None
                else studies.number(name, value)
            ]
            for engine, value in lines.items()
        }
    )
    aspect = {"priority": "ease", "figure": name, "lower_is_better": True}
    (question,) = found.questions
    asked: Question = replace(question, name="ease", aspects=(aspect,))
    cells = tuple(replace(cell, row="ease") for cell in found.cells)
    return replace(found, questions=(asked,), cells=cells)


def test_each_claim_rests_on_a_figure_that_counts() -> None:
    assert len(CLAIMS) == 8
    for claim, row, figure in CLAIMS:
        assert row in list_criteria(), claim
        aspects = find_criterion(row).aspects
        assert figure in {aspect.figure for aspect in aspects}, claim


def test_the_best_is_marked_and_equals_are_best_together() -> None:
    (row,) = make_overview(ease(compiled=31.0, torch=74.0, tensorflow=31.0))
    assert [(c.engine, c.shown, c.is_best) for c in row.cells] == [
        ("compiled", "31", True),
        ("torch", "74", False),
        ("tensorflow", "31", True),
    ]
    (row,) = make_overview(ease(torch=7.0, tensorflow=7.0))
    assert not any(cell.is_best for cell in row.cells)  # it tells nothing apart


def test_nothing_is_the_best_where_one_is_missing() -> None:
    found = ease(compiled=31.0, torch=None)
    (row,) = make_overview(found)
    ours, theirs = row.cells
    assert (ours.is_best, ours.doubt) == (False, "not measured for all engines")
    assert (theirs.shown, theirs.is_best, theirs.doubt) == ("full only", False, "")
    (line,) = doubt_lines([row])
    assert line == "† not ranked (ease of use): not measured for all engines."


def test_the_first_screen_is_a_table_with_its_conditions() -> None:
    text = "\n".join(write_glance(ease(compiled=31.0, torch=74.0)))
    assert "| | pellucid compiled | PyTorch |" in text
    row = "| [ease of use](#ease): lines without reading files | **31** | 74 |"
    assert row in text
    assert "lenet5 on mnist, quick, a processor, 2 processors. Best in bold." in text


@pytest.mark.parametrize("engines", [("torch",), ("compiled",)])
def test_one_engine_alone_has_a_table_and_no_answer(engines: tuple[str, ...]) -> None:
    text = "\n".join(write_glance(ease(**dict.fromkeys(engines, 3.0))))
    assert "| 3 |" in text
    assert "research" not in text
