"""The report as Markdown: losses first, every figure with unit, spread and runs."""

from __future__ import annotations

from dataclasses import replace

from oracles import studies

from pellucid.compare.report.markdown import markdown
from pellucid.compare.results import Cell
from pellucid.compare.study.figure import Figure


def test_figures_stand_with_unit_spread_and_runs_and_failures_with_reasons():
    found = studies.results(latency=studies.latency(compiled=2.0, torch=1.0))
    install = "Not installed: no jax. Run: pip install 'pellucid[jax]'"
    missing = Cell(row="latency", engine="jax", status="not installed", reason=install)
    settings = {**found.settings, "engines": ["compiled", "torch", "jax"]}
    text = markdown(replace(found, settings=settings).with_cells([missing]), None, None)
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
    assert "latency, compiled, latency p50: 1 ms → 3 ms (3.00 times)" in markdown(
        new, None, old
    )


def test_details_stand_with_the_figure_they_belong_to():
    figures = [
        studies.figure("export ONNX", "works"),
        studies.figure("size ONNX", 1.5, unit="MiB", of="export ONNX"),
    ]
    text = markdown(studies.results(latency={"torch": figures}), None, None)
    assert "| export ONNX | works<br>size 1.5 MiB (1 run) |" in text
    assert "| size ONNX" not in text


def test_what_quick_leaves_out_for_all_is_one_sentence():
    four, speed = Figure.full_only("speed, 4"), studies.figure("speed, 1", 2.0)
    columns = {"compiled": [speed, four], "torch": [speed, four]}
    text = markdown(studies.results(latency=columns), None, None)
    assert "Full only: speed, 4." in text
    assert "| speed, 4" not in text
    assert "| speed, 1 | 2 | 2 |" in text


def test_a_curve_is_a_picture_and_a_few_points_are_lines_of_the_table():
    def text(count: int) -> str:
        points = [studies.figure(f"at batch {n}", n, at=n) for n in range(count)]
        return markdown(studies.results(speed={"torch": points}), None, None)

    assert "| at batch 3 | 3 |" in text(4)
    assert "| at batch 3 | 3 |" not in text(5)
    assert "Over batch sizes: 5 points, drawn in index.html." in text(5)
