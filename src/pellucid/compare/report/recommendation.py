"""Recommendation as HTML: sliders, ranking, every step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pellucid.compare.criteria.criterion import PRIORITIES
from pellucid.compare.report.element import Markup, el, scroll
from pellucid.compare.report.format import NOT_MEASURED_HERE, TITLES
from pellucid.compare.report.summary import coverage_line, left_out_lines
from pellucid.compare.results import (
    ENOUGH,
    MetricScores,
    RankedEngine,
    Results,
    explain_no_ranking,
    list_covered,
    list_measured_engines,
    normalize_weights,
    rank,
    score_metrics,
)

_FULL = 10  # where a slider ends


def make_recommendation(
    results: Results, weights: Mapping[str, float] | None
) -> Markup:
    """Return the section, ranked already; the page's script ranks anew."""
    found = score_metrics(results)
    shares = normalize_weights(weights, found)
    if not any(step.separates for step in found):
        return el(
            "section",
            el("h2", "Which should you choose?"),
            el("p", coverage_line(results, weights), class_="warning"),
            _make_scores_table(found, list_measured_engines(results), shares)
            if found
            else None,
            _not_counted(results),
            _left_out(),
            id="choose",
        )
    engines = list_measured_engines(results)
    return el(
        "section",
        el("h2", el("a", "Which should you choose?", href="#choose")),
        el(
            "p",
            "Say what matters to you. In each figure the best engine scores 1 and one "
            "half as good scores 0.5; who failed scores 0. A priority is the mean of "
            "its figures, the total their mean by your weights. Engines whose totals "
            "overlap within the spread of the figures are tied. There is a ranking "
            f"only where {100 * ENOUGH:.0f} % of the questions that matter to you were "
            "measured.",
        ),
        el(
            "div",
            el(
                "form", _make_sliders(results, weights, shares), aria_label="priorities"
            ),
            el(
                "div",
                el("ol", _make_ranking(rank(results, weights)), id="ranking"),
                el(
                    "p",
                    coverage_line(results, weights),
                    id="spoken",
                    role="status",
                    class_="quiet",
                ),
            ),
            class_="choose",
        ),
        el("h3", "Every step of it"),
        _make_scores_table(found, engines, shares),
        _not_counted(results),
        _left_out(),
        el(
            "script",
            _data(results, weights),
            type="application/json",
            id="steps",
        ),
        id="choose",
    )


def _make_sliders(
    results: Results, weights: Mapping[str, float] | None, shares: Mapping[str, float]
) -> list[Markup]:
    """Return a slider for each priority; one that was not measured counts as asked."""
    questions = list_covered(results)
    known = {name for one in questions for name in one.priorities}
    asked = dict.fromkeys(PRIORITIES, 1.0) if weights is None else weights
    most = max(asked.values(), default=1.0) or 1.0
    parts = []
    for name, meaning in PRIORITIES.items():
        if name not in known:
            continue
        share = shares.get(name, 0.0)
        is_asked = asked.get(name, 0.0) > 0
        parts.append(
            el(
                "label",
                el("span", el("b", name), f" {meaning}"),
                el(
                    "input",
                    type="range",
                    min=0,
                    max=_FULL,
                    step=1,
                    value=round(_FULL * asked.get(name, 0.0) / most),
                    name=name,
                    data_share=f"{share:.6f}",
                    data_asked=1 if is_asked else 0,
                ),
                el("output", f"{100 * share:.0f} %"),
            )
        )
    return parts


def _make_ranking(places: Sequence[RankedEngine]) -> list[Markup]:
    return [
        el(
            "li",
            el("span", f"{place.place}.", class_="place"),
            el("span", TITLES[place.engine], class_="who"),
            el("meter", min=0, max=1, value=f"{place.value:.4f}", aria_hidden="true"),
            el("span", f"{place.value:.2f}", class_="number"),
            el("span", _format_interval(place), class_="spread"),
            data_engine=place.engine,
        )
        for place in places
    ]


def _format_interval(place: RankedEngine) -> str:
    tie = ", tied" if place.is_tied else ""
    return f"{place.low:.2f} – {place.high:.2f}{tie}"


def _make_scores_table(
    found: Sequence[MetricScores], engines: Sequence[str], shares: Mapping[str, float]
) -> Markup:
    head = el(
        "tr",
        [el("th", word, scope="col") for word in ("priority", "weight", "figure")],
        [el("th", TITLES[engine], scope="col") for engine in engines],
    )
    rows = []
    for step in found:
        better = "less is better" if step.lower_is_better else "more is better"
        if not step.separates:
            better = f"{better}; the same for all, so it does not count"
        rows.append(
            el(
                "tr",
                el("th", step.priority, scope="row"),
                el(
                    "td",
                    _format_weight(step, shares),
                    data_weight=step.priority if step.separates else None,
                ),
                el(
                    "td",
                    el("a", step.figure, href=f"#{step.row}"),
                    el("span", better, class_="note"),
                ),
                [_make_score(step, engine) for engine in engines],
            )
        )
    drawn = el("table", el("thead", head), el("tbody", rows))
    return scroll(drawn, "every step of the ranking")


def _format_weight(step: MetricScores, shares: Mapping[str, float]) -> str:
    return f"{100 * shares.get(step.priority, 0):.0f} %" if step.separates else "–"


def _make_score(step: MetricScores, engine: str) -> Markup:
    score = step.score(engine)
    return el(
        "td",
        el("span", f"{score.value:.2f}", class_="number"),
        el("span", score.shown, class_="spread"),
    )


def _not_counted(results: Results) -> Markup | None:
    lines = left_out_lines(results)
    if not lines:
        return None
    summary = el("summary", f"What was measured and does not count: {len(lines)}")
    return el("details", summary, el("ul", [el("li", line) for line in lines]))


def _left_out() -> Markup:
    return el(
        "div",
        el("h3", "What is left out"),
        el("p", "This machine cannot measure these, and nothing here guesses them:"),
        el("ul", [el("li", what) for what in NOT_MEASURED_HERE]),
    )


def _data(results: Results, weights: Mapping[str, float] | None) -> Markup:
    """Return the scores and the coverage for the page's script."""
    document = {
        "engines": [
            {"name": e, "title": TITLES[e]} for e in list_measured_engines(results)
        ],
        "enough": ENOUGH,
        "unranked": explain_no_ranking(results, weights),
        "questions": [
            {"priorities": one.priorities, "measured": one.measured}
            for one in list_covered(results)
        ],
        "steps": [
            {
                "priority": step.priority,
                "scores": {s.engine: [s.value, s.low, s.high] for s in step.scores},
            }
            for step in score_metrics(results)
            if step.separates
        ],
    }
    return Markup(json.dumps(document).replace("<", "\\u003c"))
