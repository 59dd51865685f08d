"""The report in a real browser: drawn, ranked anew, asking nobody, fit for a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oracles import studies

from pellucid.compare.report import write_report
from pellucid.compare.results import Result, Results, rank

playwright = pytest.importorskip("playwright.sync_api")

WEIGHTS = {"latency": 3.0, "training": 1.0}


def example() -> Results:
    """Return all five engines, a failure, words that must be escaped, two charts."""
    speeds = {"numpy": 10, "compiled": 400, "torch": 1600, "tensorflow": 1580}
    results = studies.results(
        latency=studies.latency(
            numpy=4.0321, compiled=0.1, torch=0.4, tensorflow=0.5, jax=0.2
        ),
        speed={
            engine: [
                studies.number("images/s", speed, 0.05 * speed, unit="images/s"),
                *(
                    studies.number(f"at batch {n}", speed * n, unit="images/s", at=n)
                    for n in (1, 16, 64)
                ),
            ]
            for engine, speed in speeds.items()
        },
    )
    reason = "ValueError: <script>alert(1)</script> & more"
    failed = Result(row="speed", engine="jax", status="failed", reason=reason)
    first, *_ = results.row("latency")
    busy = studies.number("import time", 1.0, unit="s")
    disturbed = replace(
        first, row="start", engine="numpy", figures=(busy,), is_disturbed=True
    )
    return results.with_results([failed, disturbed])


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's report."""
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, example(), WEIGHTS)
    return folder / "index.html"


@pytest.fixture
def open_page(browser: Any, page_file: Path) -> Iterator[Any]:
    """Open the report; it must ask nobody else and log no error."""
    contexts, complaints, requests = [], [], []

    def open_(width: int = 1100, **how: Any) -> Any:
        viewport = {"width": width, "height": 900}
        context = browser.new_context(viewport=viewport, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
    assert set(requests) <= {page_file.as_uri(), "data:,"}


def order(page: Any) -> list[str]:
    items = page.locator("#ranking li").all()
    return [item.get_attribute("data-engine") for item in items]


def move(page: Any, name: str, value: int) -> None:
    slider = page.locator(f"input[name={name}]")
    slider.evaluate(
        "(one, value) => { one.value = value;"
        " one.dispatchEvent(new Event('input', { bubbles: true })); }",
        value,
    )


def test_charts_are_drawn_with_a_table_behind_each(open_page):
    page = open_page()
    measurements = page.locator("figure")
    assert measurements.count() == 2
    for i in range(2):
        box = measurements.nth(i).locator("svg.chart").bounding_box()
        assert box["width"] > 250
        assert box["height"] > 80
    bars = page.locator("#latency rect.fill")
    assert bars.count() == 5
    widths = [bars.nth(i).bounding_box()["width"] for i in range(5)]
    assert widths[0] / widths[2] == pytest.approx(10.08, rel=0.02)  # 4.0 and 0.4 ms
    assert page.locator("#speed path.stroke").count() == 4
    for i in range(2):
        edge = measurements.nth(i).locator("svg.chart").bounding_box()
        for text in measurements.nth(i).locator("svg.chart text").all():
            box = text.bounding_box()
            assert box["x"] >= edge["x"] - 1
            assert box["x"] + box["width"] <= edge["x"] + edge["width"] + 1
    first = measurements.nth(0)
    assert not first.locator("table").is_visible()
    first.locator("summary").click()
    assert first.locator("table").is_visible()
    assert "0.4 ms" in first.locator("table").inner_text()


def test_the_answers_come_first_then_the_losses_and_failures_say_why(open_page):
    page = open_page()
    sections = page.locator("main section")
    assert "production: no answer, not enough" in sections.nth(0).inner_text()
    assert "images/s, 4.00 times as good" in sections.nth(1).inner_text()
    assert "<script>alert(1)</script> & more" in page.locator("#speed").inner_text()
    assert (
        "1 of 10 measured cells were disturbed" in page.locator("header").inner_text()
    )


def test_the_page_ranks_as_python_does_and_anew_when_a_slider_moves(open_page):
    page = open_page()
    assert order(page) == [p.engine for p in rank(example(), WEIGHTS)]
    move(page, "latency", 0)
    assert order(page) == [p.engine for p in rank(example(), {"training": 1.0})]
    shown = page.locator("#ranking li").first.inner_text()
    assert "tied" in shown
    assert "PyTorch and TensorFlow are tied" in page.locator("#spoken").inner_text()
    for latency, training in ((10, 3), (1, 10), (4, 0)):
        move(page, "latency", latency)
        move(page, "training", training)
        weights = {"latency": float(latency), "training": float(training)}
        places = rank(example(), weights)
        assert order(page) == [p.engine for p in places]
        scores = page.locator("#ranking li .number").all_inner_texts()
        assert [float(s) for s in scores] == pytest.approx(
            [p.value for p in places], abs=0.0051
        )


def test_nothing_that_matters_ranks_nothing(open_page):
    page = open_page()
    move(page, "latency", 0)
    move(page, "training", 0)
    assert order(page) == []
    assert "move a slider" in page.locator("#spoken").inner_text()


def test_too_little_is_not_ranked_until_it_is_all_that_matters(browser, tmp_path):
    write_report(tmp_path, example(), None)
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    assert order(page) == []
    said = page.locator("#spoken")
    assert said.inner_text() == "No ranking: not enough measured: 2 of 15 questions."
    move(page, "latency", 9)
    assert said.inner_text() == "No ranking: not enough measured: 2 of 15 questions."
    assert order(page) == []
    for slider in page.locator("#choose input[type=range]").all():
        if slider.get_attribute("name") != "latency":
            move(page, slider.get_attribute("name"), 0)
    assert order(page) == [p.engine for p in rank(example(), {"latency": 1.0})]
    page.close()


def test_sliders_obey_the_keyboard(open_page):
    page = open_page()
    slider = page.locator("input[name=training]")
    slider.focus()
    before = order(page)
    page.keyboard.press("End")
    page.locator("input[name=latency]").focus()
    page.keyboard.press("Home")
    assert order(page) != before
    page.locator("body").press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(open_page, scheme):
    page = open_page(360, color_scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    label = page.locator("svg.chart text").first
    height = label.evaluate("one => one.getBoundingClientRect().height")
    assert height >= 9  # pixels: still to be read


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_stand_out_from_the_paper(open_page, scheme):
    page = open_page(color_scheme=scheme)
    contrasts = page.evaluate(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const light = (name) => {
            const hex = style.getPropertyValue(name).trim().slice(1);
            const [r, g, b] = [0, 2, 4]
              .map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
              .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
          };
          const contrast = (one, other) => {
            const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
            return high / low;
          };
          const names = ["--ink", "--quiet", "--link", "--numpy", "--compiled",
            "--torch", "--tensorflow", "--jax"];
          return Object.fromEntries(
            names.map((name) => [name, contrast(name, "--card")]));
        }"""
    )
    least = {"--ink": 7, "--quiet": 4.5, "--link": 4.5}
    for name, contrast in contrasts.items():
        assert contrast >= least.get(name, 3), name


def test_the_page_says_what_it_is_to_those_who_do_not_see_it(open_page):
    page = open_page()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    for one in page.locator("svg.chart").all():
        assert one.get_attribute("role") == "img"
        assert one.locator("title").text_content()
        assert "PyTorch" in one.locator("desc").text_content()
    for region in page.locator(".scroll").all():
        assert region.get_attribute("aria-label")
        assert region.get_attribute("tabindex") == "0"
    hrefs = [a.get_attribute("href") for a in page.locator("nav a").all()]
    for href in hrefs:
        assert page.locator(href).count() == 1
