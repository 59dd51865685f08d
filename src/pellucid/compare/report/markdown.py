"""`report.md`: the report as plain text with tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pellucid.compare.report.opening import (
    OUTCOMES,
    by_engine,
    changed_lines,
    counted,
    coverage_line,
    left_out_lines,
    noise_lines,
    sentence,
)
from pellucid.compare.report.words import (
    NOT_MEASURED_HERE,
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
    title_of,
)
from pellucid.compare.results import (
    Cell,
    Question,
    Results,
    engines_here,
    rank,
    steps,
    verdicts,
    weights_of,
)
from pellucid.compare.study.figure import Figure


def markdown(
    results: Results, weights: Mapping[str, float] | None, before: Results | None
) -> str:
    """Return the report as Markdown."""
    lines = [*_opening(results)]
    if before is not None:
        first, *rest = changed_lines(before, results)
        lines += ["## What has changed", "", first, ""]
        lines += [f"* {line.strip()}" for line in rest]
        lines.append("")
    for question in results.questions:
        lines += _row(results, question)
    lines += _choice(results, weights)
    return "\n".join(lines).rstrip() + "\n"


def _opening(results: Results) -> Iterator[str]:
    kind = "quick" if results.settings["is_quick"] else "full"
    yield f"# Which engine? {title_of(results)}"
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
    found = verdicts(results)
    yield from (counted(found), "")
    for outcome, title in OUTCOMES if found else ():
        groups = by_engine(found, outcome)
        yield from (f"## {title}", "", *([] if groups else ["Nowhere.", ""]))
        for engine, some in groups.items():
            yield from (f"**{engine}**", "")
            yield from (f"* [{v.step.row}](#{v.step.row}): {sentence(v)}" for v in some)
            yield ""


def _row(results: Results, question: Question) -> Iterator[str]:
    cells = results.row(question.name)
    yield from (f'<a id="{question.name}"></a>', "", f"## {question.question}", "")
    for said in question.conclusions:
        yield from (said, "")
    without = [cell for cell in cells if not cell.is_done]
    yield from (f"* {TITLES[c.engine]}: {absence(c)}" for c in without)
    yield from ([""] if without else [])
    said = disturbance(cells)
    yield from ([said, ""] if said else [])
    measured = [cell for cell in cells if cell.is_done]
    left = left_to_full(measured)
    drawn = curves(question, measured)
    hidden = {*left, *(name for points in drawn.values() for name in points)}
    names = [name for name in names_of(measured) if name not in hidden]
    if names:
        heads = ["figure", *(TITLES[cell.engine] for cell in measured)]
        rows = [[n, *(_value(cell, n) for cell in measured)] for n in names]
        yield from _table(heads, rows)
    for title, points in drawn.items():
        yield from (f"{title}: {len(points)} points, drawn in index.html.", "")
    yield from ([f"Full only: {'; '.join(left)}.", ""] if left else [])
    yield from (question.how, "", f"`{command(results, question.name)}`", "")


def _value(cell: Cell, name: str) -> str:
    figure = cell.figure(name)
    if figure is None:
        return "–"
    details = (f"{label} {_said(f)}" for label, f in details_of(cell, figure))
    return "<br>".join([_said(figure), *details])


def _said(figure: Figure) -> str:
    beside = spread(figure)
    why = figure.note if figure.value is None and not figure.is_full_only else ""
    return " ".join(
        part for part in (shown(figure), f"({beside})" if beside else "", why) if part
    )


def _choice(results: Results, weights: Mapping[str, float] | None) -> Iterator[str]:
    yield from ('<a id="choose"></a>', "", "## Which should you choose?", "")
    found, places = steps(results), rank(results, weights)
    yield from (coverage_line(results, weights), "")
    if places:
        shares = weights_of(weights, found)
        listed = ", ".join(f"{n} {100 * w:.0f} %" for n, w in shares.items())
        yield from (f"By these weights: {listed}.", "")
        yield from _table(
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
        engines = [p.engine for p in places] or [*engines_here(results)]
        yield from _table(
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


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_safe(cell) for cell in row)} |"
    yield ""


def _safe(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
