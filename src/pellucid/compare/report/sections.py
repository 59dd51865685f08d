"""One criterion of the report as HTML: question, charts, measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pellucid.compare.report import charts
from pellucid.compare.report.element import Markup, el
from pellucid.compare.report.words import (
    TITLES,
    absence,
    command,
    curves,
    details_of,
    disturbance,
    left_to_full,
    names_of,
    shown,
    spread,
)
from pellucid.compare.results import Cell, Question, Results
from pellucid.compare.study.figure import Figure
from pellucid.compare.study.row import Chart

_MANY = 9  # a longer table is folded, if charts stand above it


def section(results: Results, question: Question) -> Markup:
    """Return a row of the report."""
    cells = results.row(question.name)
    drawn = [chart(Chart.from_json(c), cells) for c in question.charts]
    pictures = [one for one in drawn if one is not None]
    left = left_to_full(cells)
    drawn_ones = {n for names in curves(question, cells).values() for n in names}
    names = [n for n in names_of(cells) if n not in left and n not in drawn_ones]
    figures = table(names, cells) if names else None
    if figures is not None and pictures and len(names) > _MANY:
        summary = el("summary", f"All {len(names)} figures")
        figures = el("details", summary, figures)
    return el(
        "section",
        el("h2", el("a", question.question, href=f"#{question.name}")),
        [el("p", said, class_="conclusion") for said in question.conclusions],
        _absences(cells),
        el("p", said, class_="warning") if (said := disturbance(cells)) else None,
        el("div", pictures, class_="charts") if pictures else None,
        figures,
        el("p", f"Full only: {'; '.join(left)}.", class_="quiet") if left else None,
        el("details", el("summary", "How it is measured"), el("p", question.how)),
        el(
            "p",
            "This row alone: ",
            el("code", command(results, question.name)),
            class_="command",
        ),
        id=question.name,
    )


def _absences(cells: Sequence[Cell]) -> Markup | None:
    """Return the cells without figures, with their reasons, as they stand."""
    without = [cell for cell in cells if not cell.is_done]
    if not without:
        return None
    items = [
        el("li", el("strong", TITLES[cell.engine]), ": ", absence(cell))
        for cell in without
    ]
    return el("ul", items, class_="absences")


def chart(asked: Chart, cells: Sequence[Cell]) -> Markup | None:
    """Return a chart with its title and the table behind it; None without figures."""
    series = [
        charts.Series(
            engine=cell.engine,
            figures=tuple(
                replace(f, of="") for f in cell.figures if _belongs(asked, f)
            ),
        )
        for cell in cells
        if cell.is_done
    ]
    if asked.kind == "lines":
        picture = charts.lines(asked.title, asked.x, series, is_log=asked.is_log)
        key = charts.legend([s.engine for s in series if s.figures])
    else:
        picture, key = charts.bars(asked.title, asked.figures, series), None
    if picture is None:
        return None
    held = [
        Cell(row="", engine=s.engine, status="measured", figures=s.figures)
        for s in series
    ]
    behind = el(
        "details",
        el("summary", "Table"),
        table(names_of(held), held, title=asked.title),
    )
    return el("figure", el("figcaption", asked.title), key, picture, behind)


def _belongs(asked: Chart, figure: Figure) -> bool:
    if asked.kind == "bars":
        return figure.name in asked.figures
    return figure.name.startswith(asked.figures)


def table(names: Sequence[str], cells: Sequence[Cell], title: str = "") -> Markup:
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
            el("th", name, _shared_note(name, measured), scope="row"),
            [_value(cell, name, _note(name, measured) is None) for cell in measured],
        )
        for name in names
    ]
    label = title or "figures"
    drawn = el("table", el("thead", head), el("tbody", rows))
    return el(
        "div", drawn, class_="scroll", tabindex=0, role="region", aria_label=label
    )


def _note(name: str, cells: Sequence[Cell]) -> str | None:
    """Return the note that all cells with that figure share; None where they differ."""
    notes = {f.note for cell in cells if (f := cell.figure(name)) is not None}
    return notes.pop() if len(notes) == 1 else None


def _shared_note(name: str, cells: Sequence[Cell]) -> Markup | None:
    note = _note(name, cells)
    return el("span", note, class_="note") if note else None


def _value(cell: Cell, name: str, shows_note: bool) -> Markup:
    figure = cell.figure(name)
    if figure is None:
        return el("td", el("span", "–", class_="quiet"))
    beside = spread(figure)
    has_note = bool(figure.note) and shows_note
    note = el("span", figure.note, class_="note") if has_note else None
    if figure.detail:
        summary = el("summary", "show")
        shown_on_request = el("details", summary, el("pre", figure.detail))
    else:
        shown_on_request = None
    return el(
        "td",
        el("span", shown(figure), class_="number"),
        el("span", beside, class_="spread") if beside else None,
        note,
        _details(cell, figure),
        shown_on_request,
    )


def _details(cell: Cell, figure: Figure) -> Markup | None:
    """Return what belongs to a figure: a line each, with spread and runs."""
    found = details_of(cell, figure)
    if not found:
        return None
    return el("ul", [el("li", *_detail(*one)) for one in found], class_="of")


def _detail(label: str, figure: Figure) -> Iterator[str | Markup]:
    beside = spread(figure)
    yield f"{label} "
    yield el("span", shown(figure), class_="value")
    if beside:
        yield f" ({beside})"
    if figure.note:
        yield el("span", f" {figure.note}", class_="note")
