"""The lesson in a real browser: without a server that computes, and offline."""

from __future__ import annotations

import functools
import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studio_pages import PATIENCE_MS, answered, be_patient
from tiny_lesson import Written

from pellucid.explain import arithmetic
from pellucid.studio.offline.page import write_page
from pellucid.studio.playground import PRESETS, Settings, experiment

playwright = pytest.importorskip("playwright.sync_api")
KIB = 1024


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - as the base class has it
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
    }

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(written: Written) -> Iterator[str]:
    """Serve the lesson's files, and nothing else."""
    handler = functools.partial(_Quiet, directory=str(written.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """Open the lesson on a telephone; it must log no error and ask nobody else."""
    be_patient()
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page, complaints = context.new_page(), []
    page.set_default_timeout(PATIENCE_MS)

    def watch(request: Any) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            complaints.append(f"asked elsewhere: {request.url}")

    page.on("request", watch)
    page.on(
        "console",
        lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#probabilities tbody tr")
    yield page
    context.close()
    assert complaints == []


def test_a_drawing_is_explained_true_to_the_digit(page: Any, written: Written) -> None:
    page.click("#sample")
    playwright.expect(page.locator("#done")).to_contain_text("test image 0 of MNIST")
    image = written.test.images[0]
    answer = int(written.model.predict(image[None])[0].argmax())
    playwright.expect(page.locator("#verdict")).to_have_text(str(answer))
    assert "on this device" in page.inner_text("#took")
    page.click("nav a[href='#inside']")
    for node in ("conv2d", "max_pool2d", "dense"):
        page.click(f"#nodes button[data-node={node}]")
        playwright.expect(page.locator("#calculation h3").first).to_contain_text(
            f" {node}["
        )
        shown = page.locator("#calculation li.result").first.get_attribute("data-value")
        exact = arithmetic(written.model, image, node)
        assert float(shown) == pytest.approx(exact.value, rel=1e-5)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_walk_goes_to_the_loss_and_back(page: Any) -> None:
    page.click("#sample")
    page.click("nav a[href='#walk']")
    titles = page.locator("#walk-steps h3")
    page.wait_for_selector("#walk-steps[aria-busy=false] section:nth-child(8)")
    texts = [text.lower() for text in titles.all_inner_texts()]
    assert any("loss" in text for text in texts)
    assert any("adam" in text or "step" in text for text in texts[-2:])
    loss = next(i for i, text in enumerate(texts) if "the loss says" in text)
    page.locator("#walk-steps section").nth(loss).get_by_role("button").click()
    title = page.locator("#calculation h3").first
    playwright.expect(title).to_have_text("CrossEntropy loss")
    assert "−ln" in page.inner_text("#calculation")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_experiments_that_were_run_before_are_shown(page: Any) -> None:
    page.click("nav a[href='#play']")
    preset = PRESETS["layer"]
    runs = page.locator("#runs > section")
    playwright.expect(runs).to_have_count(2)
    playwright.expect(page.locator("#preset-lesson")).to_have_text(preset.lesson)
    playwright.expect(page.locator("#settings")).to_be_hidden()
    page.locator("#play-step").press("End")
    for card, settings in zip(runs.all(), preset.to_json()["runs"], strict=True):
        found = experiment(Settings(**settings))
        last = found["frames"][-1]
        playwright.expect(card.locator(".play-says")).to_have_text(found["says"])
        now = card.locator(".play-now")
        words = f"loss {last['train']['loss']:.4g} on its points"
        playwright.expect(now).to_contain_text(words)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_trains_and_then_explains_what_it_has_learned(page: Any) -> None:
    page.locator("#pad").press("ArrowLeft")
    for key in (" ", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.locator("#pad").press(key)
    playwright.expect(page.locator("#verdict")).not_to_have_text("–")
    page.click("nav a[href='#train']")
    playwright.expect(page.locator("#rate-slider")).to_have_value("-2")
    fields = page.locator("#wish input").evaluate_all("all => all.map(f => f.value)")
    assert [float(value) for value in fields] == [0.01, -2, 32, 5, 320, 3]
    answered(page)
    shares = page.locator("#probabilities td.number")
    before = shares.all_text_contents()
    page.click("#wish button.primary")
    status = page.locator("#train-status")
    playwright.expect(status).to_contain_text("finished, step 30 of 30")
    playwright.expect(status).to_contain_text("of 120 test images right")
    assert page.locator("#confusion td").count() == 100
    playwright.expect(page.locator("#model")).to_contain_text("30 steps")
    page.click("nav a[href='#draw']")
    playwright.expect(shares).not_to_have_text(before)


def test_after_the_first_visit_no_network_is_needed(page: Any) -> None:
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("caches.keys().then((names) => names.length === 1)")
    page.reload()  # so that the worker answers
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector("#probabilities tbody tr")
    page.click("#sample")
    playwright.expect(page.locator("#done")).to_contain_text("test image 0 of MNIST")


def test_the_first_view_is_small_and_everything_is_kept(written: Written) -> None:
    sizes = {
        path.relative_to(written.folder).as_posix(): len(
            gzip.compress(path.read_bytes())
        )
        for path in written.folder.rglob("*")
        if path.is_file()
    }
    files = json.loads(
        (written.folder / "sw.js").read_text().split("FILES = ")[1].split(";")[0]
    )
    made = {name for name in sizes if name not in NOT_OURS}
    assert set(files) == {"./", *made} - {"sw.js"}
    data = sum(size for name, size in sizes.items() if name.endswith(".bin.gz"))
    code = sum(size for name, size in sizes.items() if name.endswith((".js", ".mjs")))
    assert code < 150 * KIB
    assert sum(sizes[name] for name in made) - data < 400 * KIB


#: what the tests in Node have added to the folder
NOT_OURS = {"driver.mjs", "package.json", "questions.json"}


def test_packed_images_are_those_of_the_data(written: Written) -> None:
    about = json.loads((written.folder / "model.json").read_text())
    content = gzip.decompress((written.folder / "test.bin.gz").read_bytes())
    (name, kind, count), _ = about["files"]["test"]
    images = np.frombuffer(content, kind, count)
    assert (name, kind) == ("images", "|u1")
    np.testing.assert_array_equal(images, written.test.images.ravel())


def test_a_studio_that_has_changed_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no field 'epochs' any more"):
        write_page("<p>", title="", home="", wish={"epochs": 1})
