"""One criterion of the report as HTML: question, charts, measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pellucid.compare.criteria.criterion import Chart
from pellucid.compare.measurement import Measurement
from pellucid.compare.report import charts
from pellucid.compare.report.element import Markup, el, scroll
from pellucid.compare.report.format import (
    TITLES,
    command_line,
    explain_absence,
    explain_disturbance,
    find_curves,
    format_spread,
    format_value,
    list_details,
    list_full_only,
    list_names,
)
from pellucid.compare.results import Question, Result, Results

_MANY = 9  # a longer table is folded, if charts stand above it


def make_section(results: Results, question: Question) -> Markup:
    """Return a row of the report."""
    cells = results.row(question.name)
    drawn = [make_chart(Chart.from_json(c), cells) for c in question.charts]
    pictures = [one for one in drawn if one is not None]
    left = list_full_only(cells)
    drawn_ones = {n for names in find_curves(question, cells).values() for n in names}
    names = [n for n in list_names(cells) if n not in left and n not in drawn_ones]
    measurements = make_table(names, cells) if names else None
    if measurements is not None and pictures and len(names) > _MANY:
        summary = el("summary", f"All {len(names)} figures")
        measurements = el("details", summary, measurements)
    return el(
        "section",
        el("h2", el("a", question.question, href=f"#{question.name}")),
        [el("p", said, class_="conclusion") for said in question.conclusions],
        _list_absences(cells),
        el("p", said, class_="warning")
        if (said := explain_disturbance(cells))
        else None,
        el("div", pictures, class_="charts") if pictures else None,
        measurements,
        el("p", f"Full only: {'; '.join(left)}.", class_="quiet") if left else None,
        el("details", el("summary", "How it is measured"), el("p", question.how)),
        el(
            "p",
            "This row alone: ",
            el("code", command_line(results, question.name)),
            class_="command",
        ),
        id=question.name,
    )


def _list_absences(cells: Sequence[Result]) -> Markup | None:
    """Return the cells without figures, with their reasons, as they stand."""
    without = [cell for cell in cells if not cell.is_done]
    if not without:
        return None
    items = [
        el("li", el("strong", TITLES[cell.engine]), ": ", explain_absence(cell))
        for cell in without
    ]
    return el("ul", items, class_="absences")


def make_chart(asked: Chart, cells: Sequence[Result]) -> Markup | None:
    """Return a chart with its title and the table behind it; None without figures."""
    series = [
        charts.Series(
            engine=cell.engine,
            figures=tuple(
                replace(f, of="") for f in cell.figures if _belongs_to(asked, f)
            ),
        )
        for cell in cells
        if cell.is_done
    ]
    if asked.kind == "lines":
        picture = charts.draw_lines(asked.title, asked.x, series, is_log=asked.is_log)
        key = charts.draw_legend([s.engine for s in series if s.figures])
    else:
        picture, key = charts.draw_bars(asked.title, asked.figures, series), None
    if picture is None:
        return None
    held = [
        Result(row="", engine=s.engine, status="measured", figures=s.figures)
        for s in series
    ]
    behind = el(
        "details",
        el("summary", "Table"),
        make_table(list_names(held), held, title=asked.title),
    )
    return el("figure", el("figcaption", asked.title), key, picture, behind)


def _belongs_to(asked: Chart, measurement: Measurement) -> bool:
    if asked.kind == "bars":
        return measurement.name in asked.figures
    return measurement.name.startswith(asked.figures)


def make_table(
    names: Sequence[str], cells: Sequence[Result], title: str = ""
) -> Markup:
    """Return figures by engines, each with unit, spread and runs."""
    measured = [cell for cell in cells if cell.is_done]
    head = el(
        "tr",
        el("th", "figure", scope="col"),
        [el("th", TITLES[cell.engine], scope="col") for cell in measured],
    )
    rows = [
        el(
            "tr",
            el("th", name, _make_note(name, measured), scope="row"),
            [
                _make_cell(cell, name, _find_note(name, measured) is None)
                for cell in measured
            ],
        )
        for name in names
    ]
    label = title or "figures"
    drawn = el("table", el("thead", head), el("tbody", rows))
    return scroll(drawn, label)


def _find_note(name: str, cells: Sequence[Result]) -> str | None:
    """Return the note that all cells with that figure share; None where they differ."""
    notes = {f.note for cell in cells if (f := cell.figure(name)) is not None}
    return notes.pop() if len(notes) == 1 else None


def _make_note(name: str, cells: Sequence[Result]) -> Markup | None:
    note = _find_note(name, cells)
    return el("span", note, class_="note") if note else None


def _make_cell(cell: Result, name: str, shows_note: bool) -> Markup:
    measurement = cell.figure(name)
    if measurement is None:
        return el("td", el("span", "–", class_="quiet"))
    beside = format_spread(measurement)
    has_note = bool(measurement.note) and shows_note
    note = el("span", measurement.note, class_="note") if has_note else None
    if measurement.detail:
        summary = el("summary", "show")
        shown_on_request = el("details", summary, el("pre", measurement.detail))
    else:
        shown_on_request = None
    return el(
        "td",
        el("span", format_value(measurement), class_="number"),
        el("span", beside, class_="spread") if beside else None,
        note,
        _make_details(cell, measurement),
        shown_on_request,
    )


def _make_details(cell: Result, measurement: Measurement) -> Markup | None:
    """Return what belongs to a figure: a line each, with spread and runs."""
    found = list_details(cell, measurement)
    if not found:
        return None
    return el("ul", [el("li", *_make_detail(*one)) for one in found], class_="of")


def _make_detail(label: str, measurement: Measurement) -> Iterator[str | Markup]:
    beside = format_spread(measurement)
    yield f"{label} "
    yield el("span", format_value(measurement), class_="value")
    if beside:
        yield f" ({beside})"
    if measurement.note:
        yield el("span", f" {measurement.note}", class_="note")
