"""The guided walk in a real browser: its numbers, its keys, its motion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from studio_pages import complaints_of_axe, digits_model, served

import pellucid as pl

playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def model() -> pl.Model:
    return digits_model()


@pytest.fixture(scope="module")
def address(model: pl.Model) -> Iterator[str]:
    with served(model) as url:
        yield url


def numbers(page: Any, step: int, name: str = "") -> list[float]:
    """The exact numbers of a step of the walk, as its elements carry them."""
    where = f".walk-section:has(#walk-{step}) "
    found = page.locator(where + (f"[data-name='{name}']" if name else ".value"))
    return [float(one.get_attribute("data-value")) for one in found.all()]


def ready(page: Any, steps: int) -> None:
    built = page.locator("#walk-steps[aria-busy=false] > section")
    playwright.expect(built).to_have_count(steps)


def same(shown: str, exact: float) -> bool:
    """Whether a number on the page is the exact one with six digits."""
    return float(shown.replace("−", "-")) == pytest.approx(exact, rel=5e-6, abs=1e-300)


def test_the_walk_shows_the_numbers_of_the_definition(
    open_page: Any,
    model: pl.Model,
) -> None:
    page = open_page("walk")
    ready(page, 16)
    page.select_option("#right-answer", "3")
    playwright.expect(page.locator("#walk-10").locator("xpath=..")).to_contain_text(
        "The right answer is 3"
    )
    ready(page, 16)
    pixels = pl.data.load("mnist")[1].images[0].astype(np.float64)
    w = {name: np.asarray(a, np.float64) for name, a in model.weights.items()}
    x = pixels[:, :, 0] / 255
    conv = np.stack(
        [
            sum(
                w["conv2d.weight"][u, v, 0, o] * x[u : u + 26, v : v + 26]
                for u in range(3)
                for v in range(3)
            )
            for o in range(3)
        ],
        axis=-1,
    )
    found = model.to("numpy").activations(pixels.astype(np.uint8)[None])
    assert conv == pytest.approx(found["conv2d"][0], abs=1e-5)
    logits = found["dense"][0].astype(np.float64)
    p = np.exp(logits - logits.max())
    p /= p.sum()
    # the window: sum of products + bias = the element, at each place
    for place in (0, 77, 400):
        slider = page.locator(".walk-section:has(#walk-1) input[type=range]")
        slider.evaluate(
            "(s, v) => { s.value = v; s.dispatchEvent(new Event('input')); }", place
        )
        row, column = divmod(place, 26)
        words = page.locator(".walk-section:has(#walk-1) figcaption").last.inner_text()
        out = int(words.split("channel ")[1].split(";")[0])
        (y,) = numbers(page, 1, "y")
        assert y == pytest.approx(conv[row, column, out], abs=1e-12)
        cells = page.locator(".walk-section:has(#walk-1) .walk-grid").last.locator("td")
        products = [float(c.get_attribute("data-value")) for c in cells.all()]
        assert sum(products) == pytest.approx(y, abs=1e-12)  # the bias is 0
    # every value is written as it is, with six digits
    for one in page.locator("#walk-steps .value").all()[::7]:
        exact = float(one.get_attribute("data-value"))
        assert same(one.inner_text(), exact), (one.inner_text(), exact)
    shown = numbers(page, 10)  # p and the loss
    assert shown == pytest.approx([p[3], -np.log(p[3])], rel=1e-4)
    gradients = np.array(numbers(page, 11)[1:]).reshape(10, 2)  # p, p − t
    assert gradients[:, 0] == pytest.approx(p, rel=1e-3, abs=1e-7)
    assert gradients[:, 1] == pytest.approx(p - np.eye(10)[3], rel=1e-3, abs=1e-7)
    weight, gradient, *rows, others, total = numbers(page, 13)
    assert total == gradient
    assert sum(rows[2::3]) + others == pytest.approx(gradient, rel=1e-9)
    assert rows[0] * rows[1] == pytest.approx(rows[2], rel=1e-12)
    lines = {
        name: numbers(page, 14, name)[0]
        for name in ("g", "m", "v", "m̂", "v̂", "change", "new w")
    }
    assert lines["g"] == gradient
    assert lines["m̂"] == pytest.approx(0.1 * gradient / (1 - 0.9))
    assert lines["new w"] == pytest.approx(weight + lines["change"], rel=1e-12)
    after, before = numbers(page, 15)[:2]
    assert before == pytest.approx(-np.log(p[3]), rel=1e-4)
    assert after < before


def test_the_walk_is_gone_by_keyboard_and_leads_to_the_inspector(
    open_page: Any,
) -> None:
    page = open_page("walk")
    ready(page, 16)
    page.focus("#walk-next")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#walk-1")).to_be_focused()
    step = page.locator("#walk-step")
    playwright.expect(step).to_have_value("1")
    page.select_option("#walk-step", "14")
    playwright.expect(page.locator("#walk-14")).to_be_focused()
    slider = page.locator(".walk-section:has(#walk-1) input[type=range]")
    before = numbers(page, 1, "y")
    slider.press("Home")
    place = "row 0, column 0"
    playwright.expect(slider).to_have_attribute("aria-valuetext", place)
    assert numbers(page, 1, "y") != before
    page.locator(".walk-section:has(#walk-4)").get_by_role(
        "button", name="inspector"
    ).click()
    title = page.locator("#calculation h3").first
    playwright.expect(title).to_contain_text("Conv2D conv2d_1[")
    page.goto("#walk")
    page.locator(".walk-section:has(#walk-10)").get_by_role(
        "button", name="inspector"
    ).click()
    playwright.expect(title).to_contain_text("CrossEntropy loss")
    assert "−ln" in page.locator("#calculation").inner_text()


def test_the_window_plays_and_rests_where_motion_is_reduced(
    open_page: Any,
) -> None:
    page = open_page("walk")
    ready(page, 16)
    page.evaluate(
        "new MutationObserver((all) => { for (const { addedNodes } of all)"
        " for (const one of addedNodes) window.flown ||= one.className === 'flying'; })"
        ".observe(document.body, { childList: true })"
    )
    section = page.locator(".walk-section:has(#walk-1)")
    section.get_by_role("button", name="Play").click()
    slider = section.locator("input[type=range]")
    playwright.expect(slider).not_to_have_value("0")  # where it begins to play
    assert page.evaluate("window.flown")
    section.get_by_role("button", name="Pause").click()
    still = open_page("walk", reduced_motion="reduce")
    ready(still, 16)
    playwright.expect(still.locator(".walk-play").first).to_be_hidden()
    assert still.locator(".walk-section:has(#walk-1) input[type=range]").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_walk_is_for_everyone(
    open_page: Any,
    axe: str,
    scheme: str,
) -> None:
    size = {"width": 360, "height": 740}
    page = open_page("walk", color_scheme=scheme, bypass_csp=True, viewport=size)
    ready(page, 16)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    rules = ("color-contrast",) if scheme == "dark" else ()
    assert complaints_of_axe(page, axe, *rules) == []
