"""`index.html`: the whole report as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pellucid.compare.report.element import Markup, el, scroll
from pellucid.compare.report.format import TITLES, make_title
from pellucid.compare.report.glance import make_glance
from pellucid.compare.report.recommendation import make_recommendation
from pellucid.compare.report.sections import make_section
from pellucid.compare.report.summary import (
    OUTCOMES,
    changed_lines,
    count_outcomes,
    format_verdict,
    group_by_engine,
    noise_lines,
)
from pellucid.compare.results import Results, Verdict, list_verdicts

_ASSETS = Path(__file__).parent / "assets"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'"
)


def make_page(
    results: Results, weights: Mapping[str, float] | None, before: Results | None
) -> str:
    """Return the report as HTML."""
    title = f"Which engine? {make_title(results)}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("link", rel="icon", href="data:,"),
        el("style", _read_asset("page.css")),
    )
    body = el(
        "body",
        el("a", "Skip to the report", href="#report", class_="skip"),
        _make_header(results, title),
        el(
            "main",
            make_glance(results),
            _make_navigation(results, before),
            _make_summary(results),
            _make_changes(before, results) if before is not None else None,
            [make_section(results, question) for question in results.questions],
            make_recommendation(results, weights),
            _make_about(results),
            id="report",
        ),
        el("script", _read_asset("page.js")),
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _read_asset(name: str) -> Markup:
    return Markup((_ASSETS / name).read_text(encoding="utf-8"))


def _make_header(results: Results, title: str) -> Markup:
    settings, machine = results.settings, results.machine
    kind = "quick" if settings["is_quick"] else "full"
    facts = (
        f"{kind} comparison, begun {results.begun} UTC, "
        f"{machine.get('processor', 'unknown processor')}, "
        f"{machine.get('usable_cpus', '?')} processors, seed {settings['seed']}"
    )
    warnings = [el("p", line, class_="warning") for line in noise_lines(results)]
    return el("header", el("h1", title), el("p", facts, class_="quiet"), warnings)


def _make_navigation(results: Results, before: Results | None) -> Markup:
    links = [("first", OUTCOMES[0][1])]
    links += [("against", "What has changed")] if before is not None else []
    links += [(q.name, q.question) for q in results.questions]
    links += [("choose", "Which should you choose?"), ("about", "Machine and versions")]
    items = [el("li", el("a", words, href=f"#{name}")) for name, words in links]
    return el("nav", el("ul", items), aria_label="rows")


def _make_summary(results: Results) -> Markup:
    """Return the losses, open; draws and wins, folded."""
    found = list_verdicts(results)
    groups = {outcome: group_by_engine(found, outcome) for outcome, _ in OUTCOMES}
    return el(
        "section",
        el("h2", el("a", OUTCOMES[0][1], href="#first")),
        el("p", count_outcomes(found)),
        _list_verdicts(groups["loses"]),
        [
            el("details", el("summary", title), _list_verdicts(groups[outcome]))
            for outcome, title in OUTCOMES[1:]
            if groups[outcome]
        ],
        id="first",
    )


def _list_verdicts(groups: Mapping[str, Sequence[Verdict]]) -> list[Markup]:
    parts = []
    for engine, some in groups.items():
        parts.append(el("h3", engine))
        parts.append(el("ul", [_make_item(verdict) for verdict in some]))
    return parts


def _make_item(verdict: Verdict) -> Markup:
    row = verdict.step.row
    return el("li", el("a", row, href=f"#{row}"), f": {format_verdict(verdict)}")


def _make_changes(before: Results, now: Results) -> Markup:
    first, *rest = changed_lines(before, now)
    return el(
        "section",
        el("h2", el("a", "What has changed", href="#against")),
        el("p", first),
        el("ul", [el("li", line.strip()) for line in rest]),
        id="against",
    )


def _make_about(results: Results) -> Markup:
    versions = [f"{name} {version}" for name, version in results.versions.items()]
    machine = [
        f"{key}: {_format_fact(value)}" for key, value in results.machine.items()
    ]
    heads = ("row", "engine", "state", "seconds", "slowdown around it")
    rows = [
        el(
            "tr",
            el("th", cell.row, scope="row"),
            el("td", TITLES[cell.engine]),
            el("td", cell.status),
            el("td", f"{cell.seconds:.1f}"),
            el("td", f"{100 * cell.slowdown:.0f} %"),
        )
        for cell in results.cells
    ]
    drawn = el(
        "table",
        el("thead", el("tr", [el("th", head, scope="col") for head in heads])),
        el("tbody", rows),
    )
    label = "every cell"
    return el(
        "section",
        el("h2", el("a", "Machine and versions", href="#about")),
        el("ul", [el("li", line) for line in machine]),
        el("p", ", ".join(versions)),
        el(
            "details",
            el("summary", f"Every cell: {results.took_s:.0f} s in all"),
            scroll(drawn, label),
        ),
        el(
            "p",
            "Raw figures: results.json beside this page. Spreads are quartiles or 95 % "
            "intervals, as each figure says.",
            class_="quiet",
        ),
        id="about",
    )


def _format_fact(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
