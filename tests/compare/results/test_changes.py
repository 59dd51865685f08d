"""Two results side by side: what changed beyond the noise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracles import studies

from pellucid.compare.results import Result, find_changes, list_differences


def of(*measurements):
    return studies.results(latency={"torch": list(measurements)})


def test_numbers_change_where_their_spreads_do_not_meet():
    old = of(studies.number("p50", 1.0, 0.2), studies.number("p99", 1.0, 0.2))
    new = of(studies.number("p50", 1.3, 0.2), studies.number("p99", 2.0, 0.2))
    (change,) = find_changes(old, new)
    assert (change.figure, change.ratio) == ("p99", pytest.approx(2.0))
    assert find_changes(old, old) == []


def test_counts_change_by_more_than_a_twentieth_and_words_by_being_others():
    old = of(
        studies.number("packages", 100),
        studies.number("size", 100),
        studies.number("caught", True),
        studies.number("message", "none"),
    )
    new = of(
        studies.number("packages", 104),
        studies.number("size", 106),
        studies.number("caught", False),
        studies.number("message", "shape"),
    )
    assert {c.figure for c in find_changes(old, new)} == {"size", "caught", "message"}


def test_a_cell_that_fails_now_has_changed():
    old = of(studies.number("p50", 1.0))
    failed = Result(row="latency", engine="torch", status="failed", reason="it hung.")
    (change,) = find_changes(old, old.with_results([failed]))
    assert (change.before, change.now) == ("measured", "failed")


def test_other_versions_are_named():
    old = of(studies.number("p50", 1.0))
    new = replace(old, versions={"pellucid": "0.2.0"})
    assert list_differences(old, new) == ["versions: pellucid 0.1.0 → 0.2.0"]


def test_disturbed_times_have_not_changed():
    old = of(studies.number("p50", 1.0, unit="ms"), studies.number("size", 1.0))
    new = of(studies.number("p50", 3.0, unit="ms"), studies.number("size", 3.0))
    (cell,) = new.cells
    disturbed = new.with_results([replace(cell, is_disturbed=True)])
    assert {c.figure for c in find_changes(old, new)} == {"p50", "size"}
    assert {c.figure for c in find_changes(old, disturbed)} == {"size"}
    assert {c.figure for c in find_changes(disturbed, old)} == {"size"}
