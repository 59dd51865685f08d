"""A report as tables and as a picture."""

import io

import numpy as np
import pytest
from PIL import Image

from pellucid.benchmark import draw_png, make_notes, make_tables
from pellucid.benchmark.results import CaseResult, Report, Round, Timing
from pellucid.benchmark.tables import format_duration


def round_(*times, disturbed=False):
    return Round(times_s=times, is_disturbed=disturbed)


@pytest.fixture
def report():
    ours = Timing(contender="pellucid", rounds=(round_(1e-3), round_(1e-3)))
    theirs = Timing(
        contender="torch",
        rounds=(round_(4e-3), round_(6e-3, disturbed=True)),
        peak_bytes=5 << 20,
    )
    broken = Timing(contender="jax", failure="jax: said no")
    case = CaseResult(
        name="mnist-torch, batch 64",
        timings=(theirs, ours, broken),
        facts={"axis": "batch size", "value": 64},
    )
    quiet = {
        "load_before": [0.2, 0.1, 0.0],
        "load_after": None,
        "turns": 4,
        "disturbed_turns": 1,
    }
    return Report(
        benchmark="train-step",
        cases=(case,),
        quiet=quiet,
        machine={"processor": "Some CPU", "usable_cpus": 2},
        versions={"torch": "2.13.0"},
        facts={"peak_memory_of_torch": 0.31},
    )


def test_the_fastest_stands_first_and_failures_last(report):
    (sheet,) = make_tables(report)
    assert [row[0] for row in sheet.rows] == ["pellucid", "torch", "jax"]
    ours, theirs, failed = sheet.rows
    assert ours[1] == "1.00 ms"
    assert ours[5] == ""
    assert theirs[4] == "2 (1 disturbed)"
    assert theirs[5] == "5.00 × (4.50 – 5.50) ★"
    assert theirs[6] == "5 MiB"
    assert failed[1:3] == ("failed", "jax: said no")
    assert {len(row) for row in sheet.rows} == {len(sheet.headers)}


def test_notes_name_machine_versions_and_load(report):
    text = "\n".join(make_notes(report))
    assert "Some CPU, 2 processors" in text
    assert "torch 2.13.0" in text
    assert "0.20 before, unknown after; 1 of 4 turns disturbed" in text
    assert "peak memory of torch: 0.31" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5e-6, "0.50 µs"), (99.94e-6, "99.9 µs"), (0.1234, "123 ms"), (7.0, "7.00 s")],
)
def test_durations_have_three_digits(seconds, text):
    assert format_duration(seconds) == text


def test_the_picture_has_a_bar_for_each_peer(report):
    pixels = np.asarray(Image.open(io.BytesIO(draw_png(report))).convert("RGB"))
    blue, grey = (0x0B, 0x6E, 0x99), (0xC9, 0xCE, 0xD6)
    widths = {
        colour: int((pixels == colour).all(axis=2).sum(axis=1).max())
        for colour in (blue, grey)
    }
    assert widths[blue] > 20
    # error bars and text may cover some of the grey
    assert widths[grey] == pytest.approx(5 * widths[blue], rel=0.1)


def test_growth_is_a_table_and_lines(report):
    of = {
        "time_exponent": 1.02,
        "memory_bytes_per_unit": 2048,
        "memory_base_bytes": 3 << 20,
        "memory_correlation": 0.999,
    }
    grown = Report(
        benchmark="scaling",
        cases=report.cases,
        quiet=report.quiet,
        facts={"growth": {"batch size": {"pellucid": of}}},
    )
    *_, sheet = make_tables(grown)
    assert sheet.rows == [
        ("batch size", "pellucid", "size^1.02", "2.0 KiB", "3 MiB", "0.999")
    ]
    assert Image.open(io.BytesIO(draw_png(grown))).size[0] > 300


def test_a_report_of_failures_only_can_still_be_drawn():
    case = CaseResult(name="x", timings=(Timing(contender="jax", failure="no"),))
    assert draw_png(Report(benchmark="train-step", cases=(case,)))[:4] == b"\x89PNG"
