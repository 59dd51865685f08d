"""The page on networks that are no classifiers of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from studio_pages import answered, served, stroke

import pellucid as pl

playwright = pytest.importorskip("playwright.sync_api")
LONG = "block_2_depthwise_conv2d_relu"


def _network(kind: str) -> pl.Network:
    if kind == "sequence":
        series = pl.Input(12, 2)
        x = pl.Flatten()(pl.Conv1D(3, 3, name="conv")(series))
        return pl.Network(inputs=series, outputs=pl.Dense(2)(x))
    image = pl.Input(8, 8, 1)
    conv = pl.Conv2D(3, 3, padding="same", name="conv")
    if kind == "aware":  # of quantization, with the names that it gets there
        x = pl.FakeQuantize(pl.Quantization(1 / 255, -128), name=f"{LONG}_input")(image)
        x = pl.ReLU(name=LONG)(pl.FakeQuantized(conv, name="conv")(x))
        x = pl.FakeQuantize(pl.Quantization(0.1), name=f"{LONG}_fake_quantize")(x)
        x = pl.FakeQuantized(pl.Dense(3))(pl.Flatten()(x))
        return pl.Network(inputs=image, outputs=x)
    x = conv(image)
    if kind == "pixels":
        return pl.Network(inputs=image, outputs=x)
    return pl.Network(inputs=image, outputs=pl.Dense(1)(pl.Flatten()(x)))


@pytest.fixture(params=["sequence", "pixels", "regression", "aware"])
def model(request: pytest.FixtureRequest) -> pl.Model:
    kind = request.param
    loss = {"regression": "mse"}.get(kind)
    return pl.Model(_network(kind), engine="numpy", loss=loss, seed=2)


@pytest.fixture
def address(model: pl.Model) -> Iterator[str]:
    with served(model) as url:
        yield url


def test_the_page_fits_what_a_network_gives(open_page: Any, model: pl.Model) -> None:
    expect = playwright.expect
    page = open_page(viewport={"width": 360, "height": 800})
    if model.network.input_shape == (12, 2):
        for i in range(24):
            page.fill(f"#value-{i}", str(0.1 * i))
        answered(page)
        x = 0.1 * np.arange(24.0).reshape(1, 12, 2)
        values = model.activations(x)["conv"][0]
        page.goto("/#inside")
        page.click("#nodes button:has-text('conv')")
        expect(page.locator("#calculation h3").first).to_contain_text("Conv1D conv[")
        at = np.unravel_index(np.abs(values).argmax(), values.shape)
        largest = page.locator(f"#unit-{at[0]}-{at[1]}")
        row = page.locator("tr", has=largest).locator(".number")
        assert float(row.get_attribute("title")) == pytest.approx(values[at], rel=1e-5)
        largest.click()
        place = f"Conv1D conv[{at[0]}, {at[1]}]"
        expect(page.locator("#calculation h3").first).to_have_text(place)
    else:
        stroke(page, (80, 60), (200, 60), (130, 220))
        expect(page.locator("#verdict")).not_to_have_text("–")
    if model.output_meaning.kind == "regression":
        expect(page.locator("#draw-words")).to_contain_text("It gives one number.")
        expect(page.locator("#probabilities .fill")).to_be_hidden()
    page.goto("/#walk")
    expect(page.locator("#walk-steps[aria-busy=false] h3").first).to_be_visible()
    if any(isinstance(n.layer, pl.FakeQuantized) for n in model.network.nodes):
        section = page.locator(".walk-section", has_text="conv: a window slides")
        expect(section).to_contain_text("rounded to multiples of s = ")
        expect(section.get_by_role("slider")).to_be_visible()
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    page.goto("/#inside")
    expect(page.locator("#calculation h3").first).to_be_visible()
    gradient = page.locator("#of-gradient")
    if model.output_meaning.is_per_pixel:
        expect(gradient).to_be_hidden()
        expect(page.locator("#map-choice")).to_be_hidden()
    else:
        expect(gradient).to_be_visible()
