"""Numbers that views show, recomputed in float64 from the weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from studio_pages import answered, digits_model, served, stroke

import pellucid as pl
from pellucid.studio.playground import Settings
from pellucid.studio.playground.points import draw_points

playwright = pytest.importorskip("playwright.sync_api")
Array = np.ndarray


@pytest.fixture
def model() -> pl.Model:
    return digits_model()


@pytest.fixture
def address(model: pl.Model) -> Iterator[str]:
    with served(model) as url:
        yield url


def forward(model: pl.Model, pixels: Array) -> dict[str, Array]:
    """Return every convolution and the scores, in float64."""
    w = {name: np.asarray(a, np.float64) for name, a in model.weights.items()}

    def conv(x: Array, name: str) -> Array:
        windows = sliding_window_view(x, (3, 3), axis=(0, 1))
        return np.einsum("ijcuv,uvco->ijo", windows, w[f"{name}.weight"])

    def pool(x: Array) -> Array:
        h, width = x.shape[0] // 2, x.shape[1] // 2
        return x[: 2 * h, : 2 * width].reshape(h, 2, width, 2, -1).max((1, 3))

    first = conv(pixels[:, :, None] / 255, "conv2d") + w["conv2d.bias"]
    pooled = pool(np.maximum(first, 0))
    second = conv(np.pad(pooled, ((1, 1), (1, 1), (0, 0))), "conv2d_1")
    second += w["conv2d_1.bias"]
    flat = pool(np.maximum(second, 0)).ravel()
    scores = flat @ w["dense.weight"] + w["dense.bias"]
    return {"pooled": pooled, "conv2d_1": second, "dense": scores}


def shown(page: Any, selector: str) -> list[float]:
    """Read numbers as they are written."""
    texts = page.locator(selector).all_text_contents()
    return [
        float(t.replace("−", "-").replace(",", "").removesuffix(" %")) for t in texts
    ]


def test_draw_inside_and_build_show_the_numbers_of_the_definition(
    open_page: Any, model: pl.Model
) -> None:
    expect = playwright.expect
    page = open_page()
    page.click("#sample")
    expect(page.locator("#done")).to_contain_text("test image 0")
    answered(page)
    found = forward(model, pl.data.load("mnist")[1].images[0, :, :, 0].astype(float))
    p = np.exp(found["dense"] - found["dense"].max())
    percents = shown(page, "#probabilities td.number")
    assert percents == pytest.approx(list(100 * p / p.sum()), abs=0.0501)
    page.goto("/#inside")
    page.click("#nodes button[data-node=dense]")
    expect(page.locator("#calculation h3").first).to_contain_text("Dense dense[")
    exact = page.locator("#node-view td.number")
    units = [float(one.get_attribute("title")) for one in exact.all()]
    assert units == pytest.approx(list(found["dense"]), rel=1e-5, abs=1e-6)
    page.click("#nodes button[data-node=conv2d_1]")
    title = page.locator("#calculation h3").first
    expect(title).to_contain_text("Conv2D conv2d_1[")
    row, column, channel = (
        int(n) for n in title.inner_text().split("[")[1].rstrip("]").split(",")
    )
    window = np.pad(found["pooled"], ((1, 1), (1, 1), (0, 0)))[
        row : row + 3, column : column + 3
    ]
    kernel = model.weights["conv2d_1.weight"][..., channel].astype(np.float64)
    sums = page.locator("#calculation [data-sum]").all()
    products = [float(one.get_attribute("data-sum")) for one in sums]
    wanted = sorted((window * kernel).sum((0, 1)), key=abs, reverse=True)
    assert products == pytest.approx(wanted, rel=1e-5, abs=1e-6)  # the largest first
    result = page.locator("#calculation .result").first.get_attribute("data-value")
    value = found["conv2d_1"][row, column, channel]
    assert float(result) == pytest.approx(value, rel=1e-5)
    page.goto("/#build")
    expect(page.locator("#fits")).to_contain_text("It fits")
    counts = shown(page, "#layers tbody td:nth-child(5)")
    adds = shown(page, "#layers tbody td:nth-child(6)")
    of = {"conv2d": (30, 26 * 26 * 27), "conv2d_1": (112, 13 * 13 * 108)}
    of["dense"] = (1450, 1440)
    names = page.locator("#layers tbody th").all_text_contents()
    assert counts == [of.get(name, (0, 0))[0] for name in names]
    assert adds == [of.get(name, (0, 0))[1] for name in names]


def test_experiment_shows_the_losses_of_the_definition(open_page: Any) -> None:
    page = open_page("play", reduced_motion="reduce")
    now = page.locator("#runs .play-now")
    playwright.expect(now).to_contain_text("Step 600:")
    step, said = page.locator("#play-step"), []
    step.press("Home")
    for place in range(5):
        playwright.expect(now).to_contain_text(f"Step {25 * place}:")
        said.append(now.inner_text())
        step.press("ArrowRight")
    wanted = train_points(steps=100, every=25)
    for text, (train, test, right) in zip(said, wanted, strict=True):
        words = text.replace(";", "").split()
        assert float(words[3]) == pytest.approx(train, rel=2e-3), text
        assert float(words[7]) == pytest.approx(test, rel=2e-3), text
        assert float(words[11]) == pytest.approx(100 * right, abs=1.01), text


def test_compare_shows_the_outputs_of_the_definition(
    open_page: Any, model: pl.Model
) -> None:
    expect = playwright.expect

    def ours_alone(route: Any) -> None:  # no framework is imported for this
        answer = route.fetch()
        document = answer.json()
        document["engines"] = [
            engine
            for engine in document["engines"]
            if engine["name"] in ("numpy", "compiled")
        ]
        route.fulfill(response=answer, json=document)

    page = open_page()
    page.route("**/studio/choices", ours_alone)
    page.click("#sample")
    expect(page.locator("#done")).to_contain_text("test image 0")
    answered(page)
    page.goto("/#compare")
    page.click("#run-compare")
    expect(page.locator("#engine-compiled")).to_contain_text(" ms")
    expect(page.locator("#run-compare")).to_be_enabled()
    found = forward(model, pl.data.load("mnist")[1].images[0, :, :, 0].astype(float))
    scores = found["dense"]
    p = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    table = np.array(shown(page, "#outputs tbody td")).reshape(10, 2)
    for column in table.T:
        assert column == pytest.approx(scores, rel=1e-5, abs=1e-6)
    names = page.locator("#outputs thead th").all_text_contents()[1:]
    for place, name in enumerate(names):
        cells = page.locator(f"#engine-{name} td").all_text_contents()
        says, share, apart, median, quartiles = (c.removesuffix(" ms") for c in cells)
        assert says == str(scores.argmax())
        assert float(share.removesuffix(" %")) == pytest.approx(
            100 * p.max(), abs=0.0501
        )
        largest = np.abs(table[:, place] - table[:, names.index("numpy")]).max()
        assert float(apart.replace("−", "-")) == pytest.approx(largest, abs=2e-7)
        low, high = (float(one) for one in quartiles.split("–"))
        assert low <= float(median) <= high


def train_points(*, steps: int, every: int) -> list[tuple[float, float, float]]:
    """Train the first view's network in plain NumPy: losses, and what is right."""
    settings = Settings()
    random = np.random.default_rng(settings.seed)
    x, t = draw_points("circles", settings.points, settings.noise, random)
    test = draw_points("circles", settings.points, settings.noise, random)
    units = settings.hidden[0]
    network = pl.Sequential(
        pl.Input(2), pl.Dense(units, activation="relu"), pl.Dense(1)
    )
    start = pl.Model(network, engine="numpy", seed=settings.seed).weights
    w = [
        start[f"{node}.{part}"].astype(np.float64)
        for node in ("dense", "dense_1")
        for part in ("weight", "bias")
    ]
    moments = [(np.zeros_like(a), np.zeros_like(a)) for a in w]

    def answer(x: Array) -> tuple[Array, Array]:
        hidden = np.maximum(x @ w[0] + w[1], 0)
        return hidden, hidden @ w[2] + w[3]

    def loss(x: Array, t: Array) -> tuple[float, float]:
        _, z = answer(x.astype(np.float64))
        return float((np.logaddexp(0, z) - t * z).mean()), float(((z > 0) == t).mean())

    def look() -> tuple[float, float, float]:
        return loss(x, t)[0], *loss(*test)

    seen = [look()]
    for step in range(1, steps + 1):
        chosen = random.choice(len(x), settings.batch_size, replace=False)
        points, wanted = x[chosen].astype(np.float64), t[chosen]
        hidden, z = answer(points)
        grad_z = (1 / (1 + np.exp(-z)) - wanted) / len(points)
        grad_hidden = (grad_z @ w[2].T) * (hidden > 0)
        grads = [points.T @ grad_hidden, grad_hidden.sum(0)]
        grads += [hidden.T @ grad_z, grad_z.sum(0)]
        for i, g in enumerate(grads):
            m, v = moments[i]
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            moments[i] = m, v
            first, second = m / (1 - 0.9**step), v / (1 - 0.999**step)
            rate = settings.learning_rate
            w[i] = w[i] - rate * first / (np.sqrt(second) + 1e-8)
        if step % every == 0:
            seen.append(look())
    return seen


def test_train_shows_the_confusions_of_the_weights_it_saves(
    open_page: Any, tmp_path: Path
) -> None:
    page = open_page("train")
    page.select_option("[name=network]", "lenet5")
    page.fill("[name=images]", "640")
    page.get_by_role("button", name="Start", exact=True).click()
    status = page.locator("#train-status")
    playwright.expect(status).to_contain_text("finished, step 10 of 10")
    cells = page.locator("#confusion tbody td").all_text_contents()
    matrix = np.array([int(cell or 0) for cell in cells]).reshape(10, 10)
    (tmp_path / "kept.pellucid").write_bytes(page.request.get("/studio/file").body())
    kept = pl.load(tmp_path / "kept.pellucid", engine="numpy")
    test = pl.data.load("mnist")[1].subset(range(500))
    exact = pl.Model(
        kept.network, engine="numpy", dtype="float64", preprocessing=kept.preprocessing
    )
    exact.load_weights({k: a.astype(np.float64) for k, a in kept.weights.items()})
    said = np.argmax(exact.predict(test.images), axis=1)
    wanted = np.zeros((10, 10), int)
    np.add.at(wanted, (test.labels, said), 1)
    np.testing.assert_array_equal(matrix, wanted)
    right = f"{wanted.trace() / 5:.1f} % of 500 test images right"
    playwright.expect(status).to_contain_text(right)


def test_from_a_drawing_to_a_weight_s_update_are_three_clicks_at_most(
    open_page: Any,
) -> None:
    page = open_page()
    stroke(page, (80, 60), (200, 60), (130, 220))
    page.evaluate("addEventListener('click', () => window.clicks = 1 + (clicks ?? 0))")
    page.evaluate("window.clicks = 0")
    page.click("#to-walk a")
    playwright.expect(page.locator("#walk-steps[aria-busy=false]")).to_be_visible()
    update = page.locator(".walk-section", has_text="One step of Adam")
    update.scroll_into_view_if_needed()
    lines = update.locator(".walk-lines [data-name]")
    kept = {one.get_attribute("data-name"): one for one in lines.all()}
    values = {k: float(v.get_attribute("data-value")) for k, v in kept.items()}
    assert values["change"] == pytest.approx(
        -0.01 * values["m̂"] / (np.sqrt(values["v̂"]) + 1e-8), rel=1e-9
    )
    update.get_by_role("button", name="Step 2").click()
    assert page.evaluate("window.clicks") == 2
