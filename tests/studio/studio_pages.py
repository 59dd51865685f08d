"""The studio's page in a browser: fixtures that its tests share."""

from __future__ import annotations

import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pellucid as pl
from pellucid.serving import Log, create_app
from pellucid.studio import SharedModel
from pellucid.studio.examples import OpenedRun

AXE = "axe-core@4.14.1"
PATIENCE_MS = 60_000


def digits_model() -> pl.Model:
    """Return a small network for digits, with weights that are drawn."""
    image = pl.Input(28, 28, 1)
    x = pl.MaxPool2D(2)(pl.Conv2D(3, 3, activation="relu")(image))
    x = pl.MaxPool2D(2)(pl.Conv2D(4, 3, padding="same", activation="relu")(x))
    network = pl.Network(inputs=image, outputs=pl.Dense(10)(pl.Flatten()(x)))
    return pl.Model(
        network,
        engine="numpy",
        loss="cross_entropy",
        optimizer=pl.Adam(0.01),
        seed=1,
    )


@contextmanager
def served(model: pl.Model, run: OpenedRun | None = None) -> Iterator[str]:
    """Serve the studio over a model, perhaps a run's; yields its address."""
    import socket
    import time

    import uvicorn

    bench = SharedModel(model, model.network.name, run)
    app = create_app([], log=Log("none"), bench=bench)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    app.state.stopping.set()
    server.should_exit = True
    thread.join(120)  # engines that are imported for a question are waited for
    assert not thread.is_alive()


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Any]:
    """Open pages; each must ask nobody else and log no error."""
    be_patient()
    contexts, complaints = [], []

    def open_(view: str = "draw", **how: Any) -> Any:
        own = how.setdefault("base_url", address)
        context = browser.new_context(**how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)

        def heed(message: Any) -> None:
            is_refusal = "status of 400" in message.text  # the page shows its sentence
            if message.type in ("error", "warning") and not is_refusal:
                complaints.append(f"console: {message.text}")

        def watch(request: Any) -> None:
            if not request.url.startswith((own, "data:", "blob:")):
                complaints.append(f"asked elsewhere: {request.url}")

        page.on("console", heed)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", watch)
        page.goto(f"/#{view}")
        page.wait_for_selector("#probabilities tbody tr", state="attached")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def be_patient() -> None:
    """Let `expect` wait as long as a loaded machine needs."""
    playwright = pytest.importorskip("playwright.sync_api")
    playwright.expect.set_options(timeout=PATIENCE_MS)


def answered(page: Any) -> None:
    """Wait until the last stroke, number or file has been answered."""
    from playwright.sync_api import expect

    expect(page.locator(".predictions[aria-busy=true]")).to_have_count(0)


#: what a view has drawn when there is nothing more to come
_DRAWN = {
    "walk": "#walk-steps[aria-busy=false] > section",
    "inside": "#calculation h3",
    "play": "#runs > section",
    "train": "[name=network] option[value=lenet5]",
    "build": "#fits:has-text('It fits')",
}


def drawn(page: Any, view: str) -> None:
    """Wait until a view is there, and has been painted."""
    from playwright.sync_api import expect

    answered(page)
    if view in _DRAWN:
        what = page.locator(f"#view-{view}:not([inert]) {_DRAWN[view]}").first
        expect(what).to_be_attached()
    if view == "inside":
        expect(page.locator("#nodes .maps[title]").last).to_be_attached()
    page.evaluate(
        "new Promise((done) =>"
        " requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def shift(page: Any) -> float:
    """Return how far things have jumped since this was last asked."""
    found: float = page.evaluate(
        "() => { const all = (window.shifts ??= (() => { const kept = [];"
        " new PerformanceObserver((list) => kept.push(...list.getEntries()))"
        ".observe({ type: 'layout-shift', buffered: true }); return kept; })());"
        " return new Promise((done) => setTimeout(() =>"
        " done(all.splice(0).reduce((sum, entry) => sum + entry.value, 0)))); }"
    )
    return found


def point_at(page: Any, x: int, y: int) -> tuple[int, int]:
    """Point at the large map; wait for that element's calculation.

    Returns
    -------
    tuple of int
        The element's row and column.
    """
    from playwright.sync_api import expect

    page.hover("#big", position={"x": x, "y": y})
    said = page.locator("#big").get_attribute("aria-label")
    row, column = (int(part.split()[-1]) for part in said.split(", at ")[1].split(","))
    title = page.locator("#calculation h3").first
    expect(title).to_contain_text(f"[{row}, {column}, ")
    return row, column


def stroke(page: Any, *points: tuple[int, int]) -> None:
    """Draw a line through points of the pad."""
    box = page.locator("#pad").bounding_box()
    (x, y), *others = points
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=8)
    page.mouse.up()
    answered(page)


def draw_seven(page: Any) -> None:
    from playwright.sync_api import expect

    stroke(page, (80, 60), (200, 60), (130, 220))
    expect(page.locator("#verdict")).to_have_text("7")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's source from the npm registry, pinned."""
    import shutil

    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "pack", AXE, "--silent"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, timeout=120, check=False
    )
    if done.returncode:
        pytest.skip("axe-core cannot be had from the npm registry")
    archive = next(Path(folder).glob("*.tgz"))
    with tarfile.open(archive) as packed:
        member = packed.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def complaints_of_axe(page: Any, axe: str, *rules: str) -> list[str]:
    """Return what axe-core finds wrong with a page, by all rules or by some."""
    page.evaluate(axe)
    only = {"runOnly": list(rules)} if rules else {}
    found = page.evaluate("(only) => axe.run(only)", only)
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
