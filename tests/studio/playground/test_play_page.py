"""Experiments in a real browser: lessons, sliders, runs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from serving_models import small_model
from studio_pages import served

from pellucid.studio.playground import PRESETS, Settings, experiment

playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(small_model()) as url:
        yield url


def test_a_lesson_shows_two_runs_and_a_slider_changes_one_thing(open_page: Any) -> None:
    page = open_page("play", reduced_motion="reduce")
    runs = page.locator("#runs > section")
    playwright.expect(runs).to_have_count(1)
    preset = PRESETS["linear"]
    page.get_by_role("button", name=preset.title, exact=True).click()
    playwright.expect(page.locator("#preset-lesson")).to_have_text(preset.lesson)
    playwright.expect(runs).to_have_count(2)
    pressed = page.locator("#presets [aria-pressed=true]")
    playwright.expect(pressed).to_have_text(preset.title)
    for card, settings in zip(runs.all(), preset.to_json()["runs"], strict=True):
        found = experiment(Settings(**settings))
        last = found["frames"][-1]
        playwright.expect(card.locator(".play-says")).to_have_text(found["says"])
        now = card.locator(".play-now").inner_text()
        assert f"loss {last['train']['loss']:.4g} on its points" in now
        assert f"{last['test']['loss']:.4g} on new ones" in now
    words = runs.nth(1).locator("p").first
    playwright.expect(words).to_have_text("activation none instead of relu")
    slider = page.locator("[name=play_depth]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    playwright.expect(words).to_contain_text("hidden layers 3 instead of 2")
    assert slider.get_attribute("aria-valuetext") == "3"
    playwright.expect(pressed).to_have_count(0)
    step = page.locator("#play-step")
    step.press("Home")
    playwright.expect(runs.first.locator(".play-now")).to_contain_text("Step 0:")
    page.click("#play-keep")
    titles = runs.locator("h3")
    playwright.expect(titles).to_have_text(["Before", "Run 2"])
    slider.press("ArrowRight")
    playwright.expect(titles).to_have_text(["Before", "Run 2", "Your run"])
    playwright.expect(page.locator(".play-run canvas")).to_have_count(3)
    page.get_by_role("button", name="Remove Run 2").click()
    playwright.expect(titles).to_have_text(["Before", "Your run"])
