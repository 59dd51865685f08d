"""The studio in a real browser: what people do with it, and who can."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_pages import (
    complaints_of_axe,
    draw_seven,
    drawn,
    point_at,
    served,
    shift,
)

import pellucid as pl

playwright = pytest.importorskip("playwright.sync_api")

VIEWS = ("draw", "walk", "inside", "play", "train", "build", "compare")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The studio over a network that has learned digits for a few seconds."""
    model = pl.Model(
        pl.zoo("mnist-torch"), loss="cross_entropy", optimizer=pl.Adam(1e-3)
    )
    train, _ = pl.data.load("mnist")
    model.fit(train.subset(range(9600)), epochs=1, progress=False)
    with served(model) as url:
        yield url


def own_network() -> pl.Network:
    """Return a network for colour pictures with every kind of layer."""
    image = pl.Input(12, 12, 3)
    x = pl.Conv2D(4, kernel_size=3, activation="relu")(pl.ZeroPad2D(1)(image))
    a = pl.BatchNorm()(x)
    b = pl.Conv2D(4, kernel_size=3, padding="same", groups=2, dilation=2)(a)
    x = pl.MaxPool2D(2)(pl.Add()(a, pl.LeakyReLU()(b)))
    half = pl.AvgPool2D(2)(x)
    up = pl.Upsample2D(2)(half)
    wide = pl.Sigmoid()(pl.ConvTranspose2D(2, kernel_size=2, stride=2)(half))
    x = pl.LocalResponseNorm()(pl.GELU()(pl.LayerNorm()(pl.Concat()(x, up, wide))))
    x = pl.Dropout(0.3)(pl.SiLU()(pl.Conv2D(6, kernel_size=3)(x)))
    flat = pl.Tanh()(pl.Dense(5)(pl.Flatten()(x)))
    y = pl.Dense(3)(pl.Concat()(pl.GlobalAvgPool2D()(x), flat))
    return pl.Network(inputs=image, outputs=pl.Softmax()(y), name="mine")


@pytest.fixture(scope="module")
def own_address() -> Iterator[str]:
    """The studio over a network of one's own."""
    with served(
        pl.Model(own_network(), engine="numpy", classes=("disc", "ring", "none"))
    ) as url:
        yield url


def test_a_drawn_digit_is_named(open_page: Any) -> None:
    page = open_page()
    draw_seven(page)
    assert page.locator("#probabilities tr.best th").inner_text() == "7"
    done = page.locator("#done li").all_inner_texts()
    assert any("to fit 20×20 pixels" in text for text in done)
    assert any("centre of mass" in text for text in done)
    shares = page.locator("#probabilities td.number").all_inner_texts()
    total = sum(float(text.removesuffix(" %")) for text in shares)
    assert total == pytest.approx(100, abs=0.5)
    page.click("#clear")
    playwright.expect(page.locator("#verdict")).to_have_text("–")


def test_a_digit_is_drawn_by_keyboard_alone(open_page: Any) -> None:
    page = open_page()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "pad":
            break
    else:
        pytest.fail("Tab must reach the pad")
    for _ in range(7):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(14):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    playwright.expect(page.locator("#verdict")).to_have_text("1")
    page.keyboard.press("Delete")
    playwright.expect(page.locator("#verdict")).to_have_text("–")


def test_views_change_by_keyboard_and_say_so(open_page: Any) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    for name in VIEWS:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        playwright.expect(page.locator(f"#view-{name}")).to_be_visible()
        current = page.locator("nav a[aria-current=page]")
        assert current.get_attribute("href") == f"#{name}"


def test_a_picture_file_is_read(open_page: Any) -> None:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (90, 90), "white")
    ImageDraw.Draw(image).line([(25, 20), (65, 20), (40, 75)], fill="black", width=8)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    page = open_page()
    file = {"name": "seven.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.set_input_files("#file", files=[file])
    playwright.expect(page.locator("#verdict")).to_have_text("7")
    assert "inverted" in page.locator("#done").inner_text()
    file = {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files("#file", files=[file])
    playwright.expect(page.locator("#problem")).to_contain_text(
        "must be an image that we can read"
    )


def numbers(page: Any, selector: str, name: str) -> list[float]:
    """The exact numbers behind elements."""
    found = page.locator(f"#calculation {selector}")
    return [float(one.get_attribute(name)) for one in found.all()]


@pytest.mark.parametrize("node", ["conv2d", "conv2d_1"])
def test_the_numbers_of_a_cell_add_up(open_page: Any, node: str) -> None:
    page = open_page()
    draw_seven(page)
    page.click("nav a[href='#inside']")
    page.click(f"#nodes button[data-node={node}]")
    playwright.expect(page.locator("#calculation h3").first).to_contain_text(
        f"Conv2D {node}["
    )
    point_at(page, 120, 90)
    sums = numbers(page, "[data-sum]", "data-sum")
    steps = page.locator("#calculation ul.sum").first
    bias = float(steps.locator("[data-name=bias]").get_attribute("data-value"))
    (result,) = [float(steps.locator(".result").get_attribute("data-value"))]
    engine = float(steps.locator("[data-activation]").get_attribute("data-activation"))
    assert sum(sums) + bias == pytest.approx(result, abs=1e-9)
    assert result == pytest.approx(engine, abs=1e-4)
    page.locator("#calculation summary").first.click()
    formula = page.locator("#calculation pre").first.inner_text()
    assert f"Conv2D {formula.split(chr(10))[2].split(' = ')[0]}" == (
        page.locator("#calculation h3").first.inner_text()
    )
    after = numbers(page, ".result", "data-value")
    assert after[1] == pytest.approx(max(result, 0), abs=1e-4)


@pytest.mark.parametrize(("node", "reach"), [("conv2d", 3), ("conv2d_1", 8)])
def test_the_window_of_a_cell_is_marked_on_the_picture(
    open_page: Any, node: str, reach: int
) -> None:
    page = open_page("inside")
    page.wait_for_selector("#calculation h3")
    page.click(f"#nodes button[data-node={node}]")
    title = page.locator("#calculation h3").first
    playwright.expect(title).to_contain_text(f"Conv2D {node}[")
    point_at(page, 170, 140)
    words = page.locator("#picture-words")
    playwright.expect(words).to_contain_text("This element sees")
    (top, bottom), (left, right) = json.loads(
        page.locator("#picture").get_attribute("data-field")
    )
    assert (bottom - top + 1, right - left + 1) == (reach, reach)
    x, y = (left + right) / 2, top  # the mark's upper edge, in the picture's pixels
    colour = page.evaluate(
        "([x, y]) => { const c = document.getElementById('picture');"
        " const zoom = c.width / 28;"
        " return [...c.getContext('2d').getImageData("
        "(x + .5) * zoom, y * zoom + 1, 1, 1).data] }",
        [x, y],
    )
    assert colour[:3] == [255, 180, 84]


def test_pools_dense_layers_and_derivatives_are_shown(open_page: Any) -> None:
    page = open_page("inside")
    page.wait_for_selector("#calculation h3")
    page.click("#nodes button[data-node=max_pool2d]")
    assert page.locator("#calculation td.winner").first.inner_text()
    page.click("#nodes button[data-node=dense_1]")
    title = page.locator("#calculation h3").first
    playwright.expect(title).to_contain_text("Dense dense_1[")
    assert "others, sum" in page.locator("#calculation").inner_text()
    page.check("input[value=gradient]")
    page.click("#unit-3")
    playwright.expect(title).to_contain_text("Gradient at dense_1[3]")
    for kind, title in (
        ("saliency", "Saliency for"),
        ("occlusion", "Occlusion for"),
        ("grad-cam", "Grad-CAM for"),
        ("integrated-gradients", "Integrated gradients for"),
        ("guided-backpropagation", "Guided backpropagation for"),
    ):
        page.select_option("#map-kind", kind)
        playwright.expect(page.locator("#map-title")).to_contain_text(title)


def test_a_channel_shows_the_patches_it_looks_for(open_page: Any) -> None:
    page = open_page("inside")
    page.wait_for_selector("#calculation h3")
    page.click("#nodes button[data-node=max_pool2d]")
    shown = page.locator("#node-title")
    playwright.expect(shown).to_have_text("max_pool2d: activations")
    page.get_by_label("Channel 5", exact=True).click()
    title = page.locator("#patches-title")
    playwright.expect(title).to_have_text("What channel 5 looks for")
    title.press("Enter")
    words = page.locator("#patches-words")
    playwright.expect(words).to_contain_text("channel 5 of max_pool2d is largest")
    captions = page.locator("#patches-tiles figcaption").all()
    values = [float(one.get_attribute("data-value")) for one in captions]
    assert len(values) == 8
    assert values == sorted(values, reverse=True)
    assert page.locator("#patches-tiles canvas").first.evaluate("c => c.width") <= 4
    page.click("#excite")
    said = page.locator("#excited-words")
    playwright.expect(said).to_contain_text("64 steps along the gradient of channel 5")
    assert page.locator("#excited canvas").evaluate("c => c.width") == 28
    page.click("#nodes button[data-node=dense_1]")
    playwright.expect(shown).to_have_text("dense_1: activations")
    page.click("#unit-4")
    playwright.expect(words).to_contain_text("unit 4 of dense_1 is largest")
    page.check("input[value=gradient]")
    playwright.expect(page.locator("#patches")).to_be_hidden()


def test_cells_are_reached_by_arrow_keys(open_page: Any) -> None:
    page = open_page("inside")
    page.wait_for_selector("#calculation h3")
    page.focus("#big")
    before = page.locator("#calculation h3").first.inner_text()
    page.keyboard.press("ArrowDown")
    playwright.expect(page.locator("#calculation h3").first).not_to_have_text(before)
    assert "row" in page.locator("#big").get_attribute("aria-label")


def test_a_training_is_seen_by_every_window(open_page: Any) -> None:
    page = open_page()
    page.click("#sample")
    shares = page.locator("#probabilities td.number")
    playwright.expect(shares.first).not_to_have_text("–")
    before = shares.all_inner_texts()
    page.goto("#train")
    page.select_option("[name=network]", "lenet5")
    page.fill("[name=images]", "1280")
    page.fill("[name=batch_size]", "64")
    page.get_by_role("button", name="Start", exact=True).click()
    status = page.locator("#train-status")
    playwright.expect(status).to_contain_text("finished, step 20 of 20", timeout=60_000)
    assert "of 500 test images right" in status.inner_text()
    points = page.locator("#loss-chart polyline").get_attribute("points")
    assert len(points.split()) == 20
    assert page.locator("#kernels canvas").count() == 6
    assert page.locator("#confusion tbody tr").count() == 10
    playwright.expect(shares).not_to_have_text(before)  # the test image is asked again
    assert "test image 0 of mnist" in page.locator("#done").text_content()
    page.reload()
    other = open_page("train")
    for window in (page, other):
        line = window.locator("#loss-chart polyline")
        playwright.expect(line).to_have_attribute("points", points)


def test_a_training_is_held_stepped_and_ended(open_page: Any) -> None:
    page = open_page("train")
    page.select_option("[name=network]", "lenet5")
    page.fill("[name=images]", "60000")
    page.fill("[name=epochs]", "50")
    page.get_by_role("button", name="Start", exact=True).click()
    status = page.locator("#train-status")
    playwright.expect(status).to_contain_text("training, step", timeout=60_000)
    page.click("#pause")
    playwright.expect(status).to_contain_text("paused")  # said when its step is done
    held = status.inner_text()
    step = int(held.split("step ")[1].split(" of")[0].replace(",", ""))
    page.click("#step")
    playwright.expect(status).to_contain_text(f"paused, step {step + 1:,} of")
    page.click("#stop")
    playwright.expect(status).to_contain_text("ended")


def test_two_engines_learn_side_by_side(open_page: Any) -> None:
    page = open_page("train")
    page.select_option("[name=network]", "lenet5")
    page.select_option("[name=beside]", "numpy")
    page.fill("[name=images]", "640")
    page.get_by_role("button", name="Start", exact=True).click()
    status = page.locator("#train-status")
    expected = playwright.expect(status)
    expected.to_contain_text("compiled: finished, step 10 of 10", timeout=60_000)
    expected.to_contain_text("numpy: finished, step 10 of 10", timeout=60_000)
    lines = page.locator("#loss-chart polyline").all()
    curves = [line.get_attribute("points").split() for line in lines]
    assert len(curves) == 2
    for one, other in zip(*curves, strict=True):
        heights = [float(point.split(",")[1]) for point in (one, other)]
        assert heights[0] == pytest.approx(heights[1], abs=0.3)  # of 190 units
    said = page.locator("#apart").inner_text()
    assert "compiled and numpy on the same batches differ by at most" in said
    assert "in 10 steps" in said
    most = float(said.split("at most ")[1].split(" nats")[0].replace("−", "-"))
    assert most < 1e-4
    assert page.locator(".legend").first.inner_text().split() == ["compiled", "numpy"]


def test_an_edited_network_has_its_shapes_at_once(open_page: Any) -> None:
    page = open_page("build")
    fits = page.locator("#fits")
    playwright.expect(fits).to_contain_text("It fits")  # the network that is shown
    page.select_option("#example", "mnist-torch")
    playwright.expect(fits).to_contain_text("It fits: 421,642 parameters")
    page.fill("#argument-1-out_channels", "16")
    row = page.locator("#layers tr[data-node=conv2d]")
    playwright.expect(row).to_contain_text("28×28×16")
    playwright.expect(fits).not_to_contain_text("421,642")
    page.fill("#argument-1-kernel_size", "[99, 99]")
    playwright.expect(fits).to_contain_text("Conv2D 'conv2d'")
    playwright.expect(row).to_have_class("is-wrong")
    page.fill("#argument-1-kernel_size", "3")
    playwright.expect(fits).to_contain_text("It fits")
    page.select_option("#kind", "BatchNorm")
    row.get_by_label("Add a layer after").click()
    playwright.expect(page.locator("#layers tr[data-node=batch_norm]")).to_be_visible()
    page.get_by_label("Remove batch_norm").click()
    page.click("#as-python")
    shown = page.locator("#source")
    convolution = "pl.Conv2D(out_channels=16, kernel_size=(3, 3)"
    playwright.expect(shown).to_contain_text(convolution)
    source = shown.inner_text()
    space: dict[str, Any] = {}
    exec(source.replace("print(network)", ""), space)
    assert space["network"].shapes["conv2d"] == (28, 28, 16)


def test_a_network_is_written_as_a_script(open_page: Any) -> None:
    page = open_page("build")
    page.fill("#argument-1-out_channels", "16")
    row = page.locator("#layers tr[data-node=conv2d]")
    playwright.expect(row).to_contain_text("28×28×16")
    page.select_option("#framework", "torch")
    page.click("#as-code")
    source = page.locator("#source")
    playwright.expect(source).to_contain_text("import torch")
    playwright.expect(source).to_contain_text("Conv2d(1, 16")
    assert "import pellucid" not in source.inner_text()


def test_nothing_jumps_while_views_come_up(open_page: Any) -> None:
    for width in (1280, 360):
        page = open_page("inside", viewport={"width": width, "height": 800})
        drawn(page, "inside")
        assert shift(page) < 0.01
        for view in VIEWS:
            page.goto(f"/#{view}")
            drawn(page, view)
            assert shift(page) < 0.02, (view, width)


def test_engines_are_compared(open_page: Any) -> None:
    page = open_page("compare")
    page.click("#run-compare")
    row = page.locator("#engine-compiled")
    playwright.expect(row).to_contain_text("ms", timeout=60_000)
    cells = row.locator("td").all_inner_texts()
    assert float(cells[2].replace("−", "-").replace("e-", "e-")) < 1e-3
    numbers = page.locator("#outputs tbody tr").first.locator("td")
    playwright.expect(numbers.nth(1)).to_be_visible()
    by_engine = [float(numbers.nth(i).inner_text().replace("−", "-")) for i in (0, 1)]
    assert by_engine[0] == pytest.approx(by_engine[1], abs=1e-3)
    page.goto("#draw")
    page.click("#sample")
    page.goto("#compare")
    said = page.locator("#compare-words")
    playwright.expect(said).to_contain_text("are of another image")
    # frameworks are imported one after the other; the page need not be watched


def test_every_layer_of_ones_own_network_shows_its_calculation(
    open_page: Any, own_address: str, tmp_path: Path
) -> None:
    from PIL import Image

    picture = tmp_path / "wide.png"
    Image.linear_gradient("L").resize((30, 20)).convert("RGB").save(picture)
    page = open_page(base_url=own_address)
    words = page.locator("#draw-words")
    playwright.expect(words).to_contain_text("knows disc, ring, none")
    page.set_input_files("#file", picture)
    playwright.expect(page.locator("#done")).to_contain_text("12×12 pixels, colour")
    page.goto("#inside")
    folded = page.locator("#nodes .fold[aria-expanded=false]")
    playwright.expect(folded.first).to_be_visible()
    while folded.count():
        folded.first.click()
    nodes = page.locator("#nodes button[data-node]:not([data-node=loss])")
    playwright.expect(nodes).to_have_count(len(own_network().nodes))
    width = page.evaluate("() => document.querySelector('.graph').clientWidth")
    for place in range(nodes.count()):
        button = nodes.nth(place)
        name = button.inner_text().split("\n")[0]
        button.click()
        title = page.locator("#calculation h3").first
        playwright.expect(title).to_contain_text(f" {name}[")
        ends = page.locator("#calculation ul.sum").first
        shown = float(ends.locator("[data-value]").last.get_attribute("data-value"))
        engine = ends.locator("[data-activation]").get_attribute("data-activation")
        assert shown == pytest.approx(float(engine), rel=1e-3, abs=1e-5), name
        assert button.bounding_box()["width"] < width
    page.goto("#build")
    playwright.expect(page.locator("#layers tbody tr")).to_have_count(nodes.count())
    playwright.expect(page.locator("#fits")).to_contain_text("It fits")


@pytest.fixture(scope="module")
def deep_address() -> Iterator[str]:
    """The studio over a network of many blocks."""
    with served(pl.Model(pl.zoo("resnet20"), engine="numpy")) as url:
        yield url


def test_a_deep_network_is_folded_into_its_blocks(
    open_page: Any, deep_address: str, tmp_path: Path
) -> None:
    from PIL import Image

    picture = tmp_path / "slope.png"
    Image.linear_gradient("L").resize((32, 32)).convert("RGB").save(picture)
    page = open_page(base_url=deep_address)
    page.set_input_files("#file", picture)
    playwright.expect(page.locator("#done")).to_contain_text("32×32 pixels, colour")
    page.goto("#inside")
    cards = page.locator("#nodes > li")
    playwright.expect(page.locator("#nodes .is-block")).to_have_count(9)
    folded = cards.count()
    assert folded < 20
    painted = page.locator("#nodes .maps").first
    playwright.expect(painted).to_have_attribute("title", "input")
    widths = page.locator("#nodes .maps").evaluate_all("all => all.map(c => c.width)")
    assert min(widths[:-2]) > 8  # the softmax and the loss have no maps
    unfold = page.get_by_label("+ 6 nodes from conv2d_1", exact=True)
    unfold.focus()
    page.keyboard.press("Enter")
    playwright.expect(cards).to_have_count(folded + 6)
    edges = page.locator("#edges path")
    playwright.expect(edges).to_have_count(folded + 6)  # one of them skips
    fold = page.get_by_label("Fold 7 nodes from conv2d_1", exact=True)
    playwright.expect(fold).to_be_focused()
    page.keyboard.press("Enter")
    playwright.expect(cards).to_have_count(folded)


def test_where_no_test_image_fits_the_reader_is_asked_for_one(
    open_page: Any, own_address: str
) -> None:
    page = open_page(base_url=own_address)
    playwright.expect(page.locator("#sample")).to_be_hidden()
    page.goto("#inside")
    title = page.locator("#node-title")
    playwright.expect(title).to_contain_text("choose a picture to look at in Draw")
    page.goto("#walk")
    words = page.locator("#walk-words")
    playwright.expect(words).to_contain_text("Choose an input in Draw")


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_phone_needs_no_sideways_scrolling(open_page: Any, view: str) -> None:
    page = open_page(view, viewport={"width": 360, "height": 740}, has_touch=True)
    drawn(page, view)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360


def test_regions_of_the_walk_have_names_of_their_own(open_page: Any) -> None:
    page = open_page("walk")  # of a network with two dense layers
    drawn(page, "walk")
    regions = page.locator("#walk-steps [role=region]")
    names = regions.evaluate_all("all => all.map((one) => one.ariaLabel)")
    assert len(names) > 4
    assert len(set(names)) == len(names)


def test_motion_is_reduced_where_it_is_asked(open_page: Any) -> None:
    page = open_page(reduced_motion="reduce")
    style = "getComputedStyle(document.documentElement).scrollBehavior"
    assert page.evaluate(style) == "auto"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [v for v in VIEWS if v != "walk"])
def test_axe_finds_nothing(open_page: Any, axe: str, view: str, scheme: str) -> None:
    page = open_page(view, color_scheme=scheme, bypass_csp=True)
    drawn(page, view)
    is_dark = page.evaluate(
        "getComputedStyle(document.body).backgroundColor === 'rgb(18, 22, 28)'"
    )
    assert is_dark == (scheme == "dark")
    assert complaints_of_axe(page, axe) == []


def test_runs_that_differ_in_one_thing_train_side_by_side(open_page: Any) -> None:
    page = open_page("train")
    page.select_option("[name=network]", "xor-one-hidden")
    page.select_option("[name=data]", "xor")
    page.select_option("[name=engine]", "numpy")
    page.fill("[name=epochs]", "40")
    page.locator("#rate-slider").fill("-1")
    assert page.input_value("[name=learning_rate]") == "0.1"
    page.locator("#batch-slider").fill("1")
    assert page.input_value("[name=batch_size]") == "2"
    for label in ("10 × the learning rate", "one more hidden layer", "zeros as"):
        page.get_by_label(label).check()
    assert page.get_by_label("plain SGD").is_disabled()
    page.get_by_role("button", name="Start").click()
    status = page.locator("#train-status")
    playwright.expect(status).to_contain_text("zeros as initial weights: finished")
    playwright.expect(status).to_contain_text("10 × the learning rate: finished")
    assert page.locator("#loss-chart polyline").count() == 4
    playwright.expect(page.locator("#apart")).to_be_hidden()
