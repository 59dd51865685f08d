"""Where pellucid loses comes first, with both figures."""

from __future__ import annotations

from oracles import studies

from pellucid.compare.report import summary_lines
from pellucid.compare.results import list_verdicts


def test_losses_come_first_and_overlaps_are_level():
    found = studies.results(
        latency=studies.latency(numpy=9.0, compiled=1.0, torch=4.0),
        speed={
            e: [studies.number("images/s", v, 1.0, unit="images/s")]
            for e, v in (("numpy", 10.0), ("compiled", 100.0), ("torch", 300.0))
        },
    )
    assert [(v.outcome, v.step.row, v.ours.engine) for v in list_verdicts(found)] == [
        ("loses", "speed", "compiled"),
        ("loses", "speed", "numpy"),
        ("loses", "latency", "numpy"),
        ("wins", "latency", "compiled"),
    ]
    lines = summary_lines(found)
    assert lines[0] == (
        "Each engine of pellucid against the best framework, figure by figure: "
        "pellucid compiled loses 1 of 2, is level in 0 and ahead in 1; pellucid numpy "
        "loses 2 of 2, is level in 0 and ahead in 0."
    )
    assert lines[1:3] == [
        "Where pellucid loses:",
        "  pellucid compiled, speed: images/s: 100 images/s; PyTorch 300 images/s, "
        "3.00 times as good.",
    ]
    assert "Where it is level, within the spread: nowhere" in lines
    level = studies.results(latency=studies.latency(compiled=1.0, torch=1.05))
    assert [v.outcome for v in list_verdicts(level)] == ["ties"]


def test_without_a_framework_there_is_nothing_to_lay_side_by_side():
    ours = studies.results(latency=studies.latency(numpy=9.0, compiled=1.0))
    (line,) = summary_lines(ours)
    assert line.startswith("Nothing to lay side by side: no figure that counts")


def test_a_truth_reads_yes_or_no():
    found = studies.results(
        speed={
            engine: [studies.number("images/s", value)]
            for engine, value in (("numpy", True), ("torch", False))
        }
    )
    (verdict,) = list_verdicts(found)
    assert (verdict.ours.shown, verdict.theirs.shown) == ("yes", "no")


def test_where_all_have_failed_nobody_is_level():
    found = studies.results(
        speed={e: [studies.number("images/s", False)] for e in ("numpy", "torch")}
    )
    assert list_verdicts(found) == []
