"""Use cases: who is first, by what, and why there may be no answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracles import studies

from pellucid.compare.criteria.criterion import PRIORITIES
from pellucid.compare.report.glance import answer_lines, format_answer
from pellucid.compare.results import USE_CASES, Results, list_answers

#: the figures of the use case "mobile": priority, row, values of torch and tensorflow
MOBILE = {
    "devices": ("ways to a device", 1.0, 2.0),
    "deployment": ("formats that work", 8.0, 4.0),
    "languages": ("languages that run it", 2.0, 2.0),
}


def results(**changed: tuple[str, float, float]) -> Results:
    """Return results that answer for telephones."""
    cells, questions = [], []
    for priority, (figure, torch, tensorflow) in {**MOBILE, **changed}.items():
        pair = {"torch": torch, "tensorflow": tensorflow}
        one = studies.results(
            latency={e: [studies.number(figure, v)] for e, v in pair.items()}
        )
        aspect = {"priority": priority, "figure": figure, "lower_is_better": False}
        (question,) = one.questions
        questions.append(replace(question, name=priority, aspects=(aspect,)))
        cells += [replace(cell, row=priority) for cell in one.cells]
    return replace(one, questions=tuple(questions), cells=tuple(cells))


def test_weights_are_those_of_known_priorities() -> None:
    assert set(USE_CASES) == {"research", "production", "mobile"}
    for weights in USE_CASES.values():
        assert set(weights) <= set(PRIORITIES)
        assert all(weight > 0 for weight in weights.values())


def test_an_answer_says_who_by_how_much_and_what_speaks_for_and_against_it() -> None:
    answer = next(a for a in list_answers(results()) if a.use_case == "mobile")
    # languages tells nothing apart: (3 · 0.5 + 2 · 1) / 5 and (3 · 1 + 2 · 0.5) / 5
    first, second = answer.places
    assert (first.engine, second.engine) == ("tensorflow", "torch")
    assert (first.value, second.value) == pytest.approx((0.8, 0.7))
    assert format_answer(answer) == (
        "TensorFlow, 0.80 against 0.70 of PyTorch; most by ways to a device, 2 against "
        "1; though formats that work 4 against 8."
    )


def test_what_matters_and_was_not_measured_is_named() -> None:
    found = results()
    left = tuple(cell for cell in found.cells if cell.row != "languages")
    answers = list_answers(replace(found, cells=left))
    answer = next(a for a in answers if a.use_case == "mobile")
    assert answer.why_not == "not enough measured: 2 of 3 questions"
    asked = {"ease": ("lines", 1.0, 2.0), "debugging": ("modes", 1.0, 2.0)}
    more = {"flexibility": ("programs", 1.0, 2.0), "ecosystem": ("objects", 1.0, 2.0)}
    answers = list_answers(results(**asked, **more))
    answer = next(a for a in answers if a.use_case == "research")
    assert answer.without == ("training",)
    assert format_answer(answer).endswith("; not measured: training.")


def test_level_engines_are_called_level() -> None:
    tied = results(
        devices=("ways to a device", 1.0, 2.0),
        deployment=("formats that work", 4.0, 1.0),
    )
    answer = next(a for a in list_answers(tied) if a.use_case == "mobile")
    assert (
        format_answer(answer) == "PyTorch and TensorFlow are level (0.70 against 0.70)."
    )


def test_without_enough_figures_there_is_no_answer() -> None:
    (line, *_) = answer_lines(results())
    assert line == "research: no answer, not enough measured: 0 of 5 questions."


def test_pellucid_s_engines_are_answered_apart() -> None:
    found = results()
    others = [
        replace(cell, engine={"torch": "numpy", "tensorflow": "compiled"}[cell.engine])
        for cell in found.cells
    ]
    engines = ["numpy", "compiled", "torch", "tensorflow"]
    both = replace(found, settings={**found.settings, "engines": engines})
    answers = [
        a for a in list_answers(both.with_results(others)) if a.use_case == "mobile"
    ]
    assert [a.group for a in answers] == ["frameworks", "pellucid"]
    assert {place.engine for place in answers[0].places} == {"torch", "tensorflow"}
    assert format_answer(answers[1]).startswith(
        "among pellucid's engines, pellucid compiled, 0.80"
    )
