"""Where pellucid loses comes first, with both figures."""

from __future__ import annotations

from oracles import studies

from pellucid.compare.report import opening_lines
from pellucid.compare.results import verdicts


def test_losses_come_first_and_overlaps_are_level():
    found = studies.results(
        latency=studies.latency(numpy=9.0, compiled=1.0, torch=4.0),
        speed={
            e: [studies.figure("images/s", v, 1.0, unit="images/s")]
            for e, v in (("numpy", 10.0), ("compiled", 100.0), ("torch", 300.0))
        },
    )
    assert [(v.outcome, v.step.row) for v in verdicts(found)] == [
        ("loses", "speed"),
        ("wins", "latency"),
    ]
    lines = opening_lines(found)
    assert lines[0] == "Where pellucid loses: 1 of 2 figures"
    assert lines[1] == (
        "  speed, images/s: pellucid compiled 100 images/s, PyTorch 300 images/s; "
        "PyTorch is 3.00 times as good."
    )
    level = studies.results(latency=studies.latency(compiled=1.0, torch=1.05))
    assert [v.outcome for v in verdicts(level)] == ["ties"]
