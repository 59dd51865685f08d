"""Charts: nothing is drawn of nothing, and axes have round ticks within."""

from __future__ import annotations

from oracles import studies

from pellucid.compare.report import charts
from pellucid.compare.report.element import el


def series(engine, *measurements):
    return charts.Series(engine=engine, figures=measurements)


def test_a_chart_without_figures_is_left_out():
    none = studies.number("p50", None, note="failed")
    assert charts.draw_bars("t", ["p50"], [series("torch", none)]) is None
    one = studies.number("loss 1", 2.0, at=1)
    assert charts.draw_lines("t", "x", [series("torch", one)], is_log=False) is None


def test_an_engine_without_the_figure_is_named_beside_the_bars():
    some = series("compiled", studies.number("p50", 1.0, unit="ms"))
    none = series("torch", studies.number("p50", None, note="failed"))
    drawn = charts.draw_bars("t", ["p50"], [some, none])
    assert drawn is not None
    assert drawn.count("<rect") == 1
    assert "PyTorch" in drawn
    assert ">none<" in drawn


def test_ticks_are_round_and_within():
    scale = charts._Scale(0, 0.83, 0, 100, False)
    assert [round(t, 3) for t in scale.ticks()] == [0, 0.2, 0.4, 0.6, 0.8]
    assert scale(0.83) == 100
    log = charts._Scale(1, 256, 0, 100, True)
    assert log.ticks() == [1, 2, 5, 10, 20, 50, 100, 200]


def test_text_is_escaped_and_attributes_too():
    made = el("p", "a < b & c", title='say "no"', hidden=True)
    assert made == '<p title="say &quot;no&quot;" hidden>a &lt; b &amp; c</p>'
