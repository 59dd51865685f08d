"""The report's first screen: eight claims as a table, an answer for each use case."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.compare.report.element import Markup, el, scroll
from pellucid.compare.report.format import TITLES
from pellucid.compare.results import (
    USE_CASES,
    Answer,
    OverviewCell,
    OverviewRow,
    Results,
    list_answers,
    list_measured_engines,
    make_overview,
)

_GROUPS = {"frameworks": "", "pellucid": "among pellucid's engines, "}
MARK = "\N{DAGGER}"  # beside a figure that must not be ranked


def answer_lines(results: Results) -> list[str]:
    """Return the answer for each use case, a sentence each.

    Parameters
    ----------
    results : Results
        Of all engines or of some.
    """
    return [f"{a.use_case}: {format_answer(a)}" for a in list_answers(results)]


def format_answer(answer: Answer) -> str:
    """Return who is first, by what margin, and what speaks for and against it."""
    begin = _GROUPS[answer.group]
    if answer.why_not:
        return f"{begin}no answer, {answer.why_not}."
    first, second = answer.places[:2]
    titles = TITLES[first.engine], TITLES[second.engine]
    scores = f"{first.value:.2f} against {second.value:.2f}"
    missing = f"not measured: {', '.join(answer.without)}"
    if first.is_tied and second.is_tied:
        level = f"{begin}{titles[0]} and {titles[1]} are level ({scores})"
        return f"{level}; {missing}." if answer.without else f"{level}."
    parts = [f"{begin}{titles[0]}, {scores} of {titles[1]}"]
    if answer.ahead is not None:
        reason = answer.ahead
        parts.append(f"most by {reason.figure}, {reason.first} against {reason.second}")
    if answer.behind is not None:
        reason = answer.behind
        parts.append(f"though {reason.figure} {reason.first} against {reason.second}")
    if answer.without:
        parts.append(missing)
    return f"{'; '.join(parts)}."


def doubt_lines(rows: list[OverviewRow]) -> list[str]:
    """Return what the marks in the table mean, each reason once."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for cell in row.cells:
            if cell.doubt:
                why, _, _ = cell.doubt.partition(":")  # the modes are in the row
                found.setdefault(why, []).append(row.claim)
    return [
        f"{MARK} not ranked ({', '.join(dict.fromkeys(claims))}): {doubt}."
        for doubt, claims in found.items()
    ]


def conditions(results: Results) -> str:
    """Return what the figures were measured with, in one line."""
    settings, machine = results.settings, results.machine
    kind = "quick" if settings["is_quick"] else "full"
    network, data = (str(settings[k]).rsplit("/", 1)[-1] for k in ("network", "data"))
    return (
        f"{network} on {data}, {kind}, "
        f"{machine.get('processor', 'unknown processor')}, "
        f"{machine.get('usable_cpus', '?')} processors"
    )


def write_glance(results: Results) -> Iterator[str]:
    """Return the first screen as lines of Markdown."""
    rows = make_overview(results)
    yield from ("## At a glance", "")
    if rows:
        engines = list_measured_engines(results)
        yield f"| | {' | '.join(TITLES[e] for e in engines)} |"
        yield f"|---{'|---' * len(engines)}|"
        for row in rows:
            cells = " | ".join(_write_cell(cell) for cell in row.cells)
            yield f"| [{row.claim}](#{row.row}): {row.figure} | {cells} |"
        yield from ("", f"{conditions(results)}. Best in bold.", "")
        for line in doubt_lines(rows):
            yield from (line, "")
    answers = list_answers(results)
    for use_case in USE_CASES:
        for answer in answers:
            if answer.use_case == use_case:
                yield f"* **{use_case}**: {format_answer(answer)}"
    if answers:
        yield from ("", f"What counts: {weights_line()}", "")


def _write_cell(cell: OverviewCell) -> str:
    if cell.is_best:
        return f"**{cell.shown}**"
    return f"{cell.shown} {MARK}" if cell.doubt else cell.shown


def weights_line() -> str:
    """Return what counts in each use case, and how much."""
    return (
        "; ".join(
            f"{name} by "
            + ", ".join(f"{key} {weight:g}" for key, weight in weights.items())
            for name, weights in USE_CASES.items()
        )
        + "."
    )


def make_glance(results: Results) -> Markup:
    """Return the first screen as a section."""
    rows, answers = make_overview(results), list_answers(results)
    return el(
        "section",
        el("h2", el("a", "At a glance", href="#glance")),
        _make_table(results, rows) if rows else None,
        el("p", f"{conditions(results)}. Best in bold.", class_="quiet")
        if rows
        else None,
        [el("p", line, class_="note") for line in doubt_lines(rows)],
        el(
            "ul",
            [
                el("li", el("b", a.use_case), f": {format_answer(a)}")
                for use_case in USE_CASES
                for a in answers
                if a.use_case == use_case
            ],
        )
        if answers
        else None,
        el("p", f"What counts: {weights_line()}", class_="note") if answers else None,
        id="glance",
    )


def _make_table(results: Results, rows: list[OverviewRow]) -> Markup:
    engines = list_measured_engines(results)
    heads = [el("td"), *(el("th", TITLES[e], scope="col") for e in engines)]
    body = [
        el(
            "tr",
            el(
                "th",
                el("a", row.claim, href=f"#{row.row}"),
                el("span", row.figure, class_="note"),
                scope="row",
            ),
            [_make_cell(cell) for cell in row.cells],
        )
        for row in rows
    ]
    table = el("table", el("thead", el("tr", heads)), el("tbody", body))
    return scroll(table, "Eight claims, measured")


def _make_cell(cell: OverviewCell) -> Markup:
    if cell.is_best:
        return el("td", el("b", cell.shown))
    mark = f" {MARK}" if cell.doubt else ""
    return el("td", f"{cell.shown}{mark}", title=cell.doubt or None)
