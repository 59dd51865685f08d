"""The report as Markdown: losses first, every figure with unit, spread and runs."""

from __future__ import annotations

from dataclasses import replace

from oracles import studies

from pellucid.compare.measurement import Measurement
from pellucid.compare.report.format import list_details
from pellucid.compare.report.markdown import make_markdown
from pellucid.compare.results import Result


def test_figures_stand_with_unit_spread_and_runs_and_failures_with_reasons():
    found = studies.results(latency=studies.latency(compiled=2.0, torch=1.0))
    install = "Not installed: no jax. Run: pip install 'pellucid[jax]'"
    missing = Result(
        row="latency", engine="jax", status="not installed", reason=install
    )
    settings = {**found.settings, "engines": ["compiled", "torch", "jax"]}
    text = make_markdown(
        replace(found, settings=settings).with_results([missing]), None, None
    )
    assert text.index("## Where pellucid loses") < text.index("## How is latency?")
    assert (
        "| latency p50 | 2 ms (1.8 – 2.2, 9 runs) | 1 ms (0.9 – 1.1, 9 runs) |" in text
    )
    assert f"* JAX: {install}" in text
    assert "`pellucid compare lenet5 --data mnist --only latency`" in text
    assert "* hiring: who knows it already" in text


def test_what_has_changed_is_said():
    old = studies.results(latency=studies.latency(compiled=1.0))
    new = studies.results(latency=studies.latency(compiled=3.0))
    assert "latency, compiled, latency p50: 1 ms → 3 ms (3.00 times)" in make_markdown(
        new, None, old
    )


def test_details_stand_with_the_figure_they_belong_to():
    measurements = [
        studies.number("export ONNX", "works"),
        studies.number("size ONNX", 1.5, unit="MiB", of="export ONNX"),
    ]
    text = make_markdown(studies.results(latency={"torch": measurements}), None, None)
    assert "| export ONNX | works<br>size 1.5 MiB (1 run) |" in text
    assert "| size ONNX" not in text


def test_what_quick_leaves_out_for_all_is_one_sentence():
    four, speed = (
        Measurement.full_only("speed, 4"),
        studies.number("speed, 1", 2.0),
    )
    columns = {"compiled": [speed, four], "torch": [speed, four]}
    text = make_markdown(studies.results(latency=columns), None, None)
    assert "Full only: speed, 4." in text
    assert "| speed, 4" not in text
    assert "| speed, 1 | 2 | 2 |" in text


def test_a_curve_is_a_picture_and_a_few_points_are_lines_of_the_table():
    def text(count: int) -> str:
        points = [studies.number(f"at batch {n}", n, at=n) for n in range(count)]
        return make_markdown(studies.results(speed={"torch": points}), None, None)

    assert "| at batch 3 | 3 |" in text(4)
    assert "| at batch 3 | 3 |" not in text(5)
    assert "Over batch sizes: 5 points, drawn in index.html." in text(5)


def test_a_detail_is_named_in_whole_words():
    whole = studies.number("programs that work as they are, as it is", 8)
    names = ("if on a value", "while on a value", "a trace left outside", "")
    details = [
        studies.number(f"{name}, as it is".strip(", "), "works", of=whole.name)
        for name in names
    ]
    cell = Result(
        row="graph", engine="torch", status="measured", figures=(whole, *details)
    )
    said = [label for label, _ in list_details(cell, whole)]
    assert said == [*names[:3], "as it is"]


def test_too_little_is_not_ranked_and_a_disturbed_row_says_so():
    found = studies.results(latency=studies.latency(compiled=1.0, torch=2.0))
    text = make_markdown(found, None, None)
    assert "No ranking: not enough measured: 1 of 15 questions." in text
    assert "| place |" not in text
    assert "| latency | latency p50 (latency) | 1.00: 1 ms | 0.50: 2 ms |" in text
    ranked = make_markdown(found, {"latency": 1.0}, None)
    assert "It rests on 1 of 1 questions." in ranked
    assert "| 1 | pellucid compiled | 1.00 |" in ranked
    disturbed = [replace(cell, is_disturbed=True) for cell in found.cells]
    text = make_markdown(found.with_results(disturbed), {"latency": 1.0}, None)
    assert "measured for pellucid compiled, PyTorch: do not trust these times" in text
    assert "No ranking: not enough measured: 0 of 1 questions." in text
    assert "* latency: latency p50 (latency): compiled: something else ran" in text
