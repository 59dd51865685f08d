"""This file is *Which should you choose?* as HTML: sliders, ranking, every step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pellucid.compare.report.element import Markup, el
from pellucid.compare.report.words import NOT_MEASURED_HERE, TITLES
from pellucid.compare.results import (
    Place,
    Results,
    Step,
    engines_here,
    rank,
    steps,
    weights_of,
)
from pellucid.compare.study.row import PRIORITIES

_FULL = 10  # where a slider ends


def choice(results: Results, weights: Mapping[str, float] | None) -> Markup:
    """Return the section, ranked already; the page's script ranks anew."""
    found = steps(results)
    shares = weights_of(weights, found)
    if not found:
        return el(
            "section",
            el("h2", "Which should you choose?"),
            el("p", "Nothing that counts towards a priority has been measured yet."),
            _left_out(),
            id="choose",
        )
    engines = engines_here(results)
    return el(
        "section",
        el("h2", el("a", "Which should you choose?", href="#choose")),
        el(
            "p",
            "Say what matters to you. In each figure the best engine scores 1 and one "
            "half as good scores 0.5; who failed scores 0. A priority is the mean of "
            "its figures, the total their mean by your weights. Engines whose totals "
            "overlap within the spread of the figures are tied.",
        ),
        el(
            "div",
            el("form", _sliders(found, shares), aria_label="priorities"),
            el(
                "div",
                el("ol", _ranking(rank(results, weights)), id="ranking"),
                el("p", id="spoken", role="status", class_="quiet"),
            ),
            class_="choose",
        ),
        el("h3", "Every step of it"),
        _steps(found, engines, shares),
        _left_out(),
        el("script", _data(found, engines), type="application/json", id="steps"),
        id="choose",
    )


def _sliders(found: Sequence[Step], shares: Mapping[str, float]) -> list[Markup]:
    here = {step.priority for step in found}
    most = max(shares.values(), default=1.0)
    parts = []
    for name, meaning in PRIORITIES.items():
        if name not in here:
            continue
        value = round(_FULL * shares.get(name, 0.0) / most)
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
                    value=value,
                    name=name,
                    data_share=f"{shares.get(name, 0.0):.6f}",
                ),
                el("output", f"{100 * shares.get(name, 0.0):.0f} %"),
            )
        )
    return parts


def _ranking(places: Sequence[Place]) -> list[Markup]:
    return [
        el(
            "li",
            el("span", f"{place.place}.", class_="place"),
            el("span", TITLES[place.engine], class_="who"),
            el("meter", min=0, max=1, value=f"{place.value:.4f}", aria_hidden="true"),
            el("span", f"{place.value:.2f}", class_="number"),
            el("span", _beside(place), class_="spread"),
            data_engine=place.engine,
        )
        for place in places
    ]


def _beside(place: Place) -> str:
    tie = ", tied" if place.is_tied else ""
    return f"{place.low:.2f} – {place.high:.2f}{tie}"


def _steps(
    found: Sequence[Step], engines: Sequence[str], shares: Mapping[str, float]
) -> Markup:
    head = el(
        "tr",
        [el("th", word, scope="col") for word in ("priority", "weight", "figure")],
        [el("th", TITLES[engine], scope="col") for engine in engines],
    )
    rows = []
    for step in found:
        better = "less is better" if step.lower_is_better else "more is better"
        rows.append(
            el(
                "tr",
                el("th", step.priority, scope="row"),
                el(
                    "td",
                    f"{100 * shares.get(step.priority, 0):.0f} %",
                    data_weight=step.priority,
                ),
                el(
                    "td",
                    el("a", step.figure, href=f"#{step.row}"),
                    el("span", better, class_="note"),
                ),
                [_score(step, engine) for engine in engines],
            )
        )
    drawn = el("table", el("thead", head), el("tbody", rows))
    return el(
        "div",
        drawn,
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label="every step of the ranking",
    )


def _score(step: Step, engine: str) -> Markup:
    score = step.score(engine)
    return el(
        "td",
        el("span", f"{score.value:.2f}", class_="number"),
        el("span", score.shown, class_="spread"),
    )


def _left_out() -> Markup:
    return el(
        "div",
        el("h3", "What is left out"),
        el("p", "This machine cannot measure these, and nothing here guesses them:"),
        el("ul", [el("li", what) for what in NOT_MEASURED_HERE]),
    )


def _data(found: Sequence[Step], engines: Sequence[str]) -> Markup:
    """Return the scores for the page's script."""
    document = {
        "engines": [{"name": e, "title": TITLES[e]} for e in engines],
        "steps": [
            {
                "priority": step.priority,
                "scores": {s.engine: [s.value, s.low, s.high] for s in step.scores},
            }
            for step in found
        ],
    }
    return Markup(json.dumps(document).replace("<", "\\u003c"))
