"""`report.md`: the report as plain text with tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pellucid.compare.measurement import Measurement
from pellucid.compare.report.format import (
    NOT_MEASURED_HERE,
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
    make_title,
)
from pellucid.compare.report.glance import write_glance
from pellucid.compare.report.summary import (
    OUTCOMES,
    changed_lines,
    count_outcomes,
    coverage_line,
    format_verdict,
    group_by_engine,
    left_out_lines,
    noise_lines,
)
from pellucid.compare.results import (
    Question,
    Result,
    Results,
    list_measured_engines,
    list_verdicts,
    normalize_weights,
    rank,
    score_metrics,
)


def make_markdown(
    results: Results, weights: Mapping[str, float] | None, before: Results | None
) -> str:
    """Return the report as Markdown."""
    lines = [*_write_summary(results)]
    if before is not None:
        first, *rest = changed_lines(before, results)
        lines += ["## What has changed", "", first, ""]
        lines += [f"* {line.strip()}" for line in rest]
        lines.append("")
    for question in results.questions:
        lines += _write_criterion(results, question)
    lines += _write_recommendation(results, weights)
    return "\n".join(lines).rstrip() + "\n"


def _write_summary(results: Results) -> Iterator[str]:
    kind = "quick" if results.settings["is_quick"] else "full"
    yield f"# Which engine? {make_title(results)}"
    yield ""
    versions = ", ".join(f"{name} {v}" for name, v in results.versions.items())
    processor = results.machine.get("processor", "unknown processor")
    cpus = results.machine.get("usable_cpus", "?")
    yield (
        f"A {kind} comparison, begun {results.begun} UTC on {processor}, {cpus} "
        f"processors; seed {results.settings['seed']}; {versions}."
    )
    yield ""
    for line in noise_lines(results):
        yield from (f"**{line}**", "")
    yield from write_glance(results)
    found = list_verdicts(results)
    yield from (count_outcomes(found), "")
    for outcome, title in OUTCOMES if found else ():
        groups = group_by_engine(found, outcome)
        yield from (f"## {title}", "", *([] if groups else ["Nowhere.", ""]))
        for engine, some in groups.items():
            yield from (f"**{engine}**", "")
            yield from (
                f"* [{v.step.row}](#{v.step.row}): {format_verdict(v)}" for v in some
            )
            yield ""


def _write_criterion(results: Results, question: Question) -> Iterator[str]:
    cells = results.row(question.name)
    yield from (f'<a id="{question.name}"></a>', "", f"## {question.question}", "")
    for said in question.conclusions:
        yield from (said, "")
    without = [cell for cell in cells if not cell.is_done]
    yield from (f"* {TITLES[c.engine]}: {explain_absence(c)}" for c in without)
    yield from ([""] if without else [])
    said = explain_disturbance(cells)
    yield from ([said, ""] if said else [])
    measured = [cell for cell in cells if cell.is_done]
    left = list_full_only(measured)
    drawn = find_curves(question, measured)
    hidden = {*left, *(name for points in drawn.values() for name in points)}
    names = [name for name in list_names(measured) if name not in hidden]
    if names:
        heads = ["figure", *(TITLES[cell.engine] for cell in measured)]
        rows = [[n, *(_format_cell(cell, n) for cell in measured)] for n in names]
        yield from _write_table(heads, rows)
    for title, points in drawn.items():
        yield from (f"{title}: {len(points)} points, drawn in index.html.", "")
    yield from ([f"Full only: {'; '.join(left)}.", ""] if left else [])
    yield from (question.how, "", f"`{command_line(results, question.name)}`", "")


def _format_cell(cell: Result, name: str) -> str:
    measurement = cell.figure(name)
    if measurement is None:
        return "–"
    details = (f"{label} {_format(f)}" for label, f in list_details(cell, measurement))
    return "<br>".join([_format(measurement), *details])


def _format(measurement: Measurement) -> str:
    beside = format_spread(measurement)
    why = (
        measurement.note
        if measurement.value is None and not measurement.is_full_only
        else ""
    )
    return " ".join(
        part
        for part in (format_value(measurement), f"({beside})" if beside else "", why)
        if part
    )


def _write_recommendation(
    results: Results, weights: Mapping[str, float] | None
) -> Iterator[str]:
    yield from ('<a id="choose"></a>', "", "## Which should you choose?", "")
    found, places = score_metrics(results), rank(results, weights)
    yield from (coverage_line(results, weights), "")
    if places:
        shares = normalize_weights(weights, found)
        listed = ", ".join(f"{n} {100 * w:.0f} %" for n, w in shares.items())
        yield from (f"By these weights: {listed}.", "")
        yield from _write_table(
            ["place", "engine", "score", "within"],
            [
                [
                    f"{p.place}{' (tie)' if p.is_tied else ''}",
                    TITLES[p.engine],
                    f"{p.value:.2f}",
                    f"{p.low:.2f} – {p.high:.2f}",
                ]
                for p in places
            ],
        )
        yield from (
            "In each figure the best engine scores 1, one half as good 0.5, one that "
            "failed 0; a priority is the mean of its figures. Engines whose totals "
            "overlap within the spread are tied.",
            "",
        )
    if found:
        yield from ("Every figure that was measured for all:", "")
        engines = [p.engine for p in places] or [*list_measured_engines(results)]
        yield from _write_table(
            ["priority", "figure", *(TITLES[e] for e in engines)],
            [
                [
                    step.priority,
                    f"{step.figure} ({step.row})",
                    *(
                        f"{step.score(e).value:.2f}: {step.score(e).shown}"
                        for e in engines
                    ),
                ]
                for step in found
            ],
        )
    left = left_out_lines(results)
    if left:
        yield from ("Not counted:", "", *(f"* {line}" for line in left), "")
    yield from ("Not measured here, and not guessed:", "")
    yield from (f"* {what}" for what in NOT_MEASURED_HERE)


def _write_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_escape(cell) for cell in row)} |"
    yield ""


def _escape(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
