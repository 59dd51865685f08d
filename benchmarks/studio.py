"""Times the studio in Chromium: its first view, answers to strokes, and the walk.

Usage: python benchmarks/studio.py [--loads 10] [--strokes 20] [--lesson FOLDER]

Needs playwright and Chromium. The browser runs on the same machine; every load has an
empty cache. "Painted" is the first contentful paint, "filled" when the model is named
and the classes stand there; both count from the navigation's start. The walk is traced
while it is built, while its window plays and while a reader goes from step to step:
the main thread's longest task, and the script's time from one frame to the next.

With ``--lesson`` the page without a server is measured too, from the folder that
`make site` writes (build/site/html/lesson): also the bytes of its first view, which are
compressed by gzip as web servers do, and whether it works offline afterwards.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from page_trace import CATEGORIES, read_trace
from playwright.sync_api import sync_playwright

import pellucid as pl

HERE = Path(__file__).parent
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run")
READY = "#probabilities tbody tr"
PLAYS_MS, RESTS_MS = 8000, 400
_FILLED = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("#probabilities tbody tr")) return;
  performance.mark("filled");
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
_TIMES = """() => ({
  painted_ms: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  filled_ms: performance.getEntriesByName("filled")[0].startTime,
})"""


def load(browser: Any, url: str) -> dict[str, float]:
    """Open the page with an empty cache; returns when what was there."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(_FILLED)
    page.goto(url)
    page.wait_for_selector(READY, state="attached")
    page.wait_for_timeout(300)
    found: dict[str, float] = page.evaluate(_TIMES)
    context.close()
    return found


def strokes(page: Any, count: int) -> list[float]:
    """Draw a zigzag; returns how long each answer took, in ms, as the page says."""
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    took = []
    for i in range(count):
        page.mouse.move(box["x"] + 60 + 140 * (i % 2), box["y"] + 40 + 200 * i / count)
        page.wait_for_timeout(150)
        words = page.locator("#took").inner_text()
        took.append(float(words.split(" ms")[0].split()[-1]))
    page.mouse.up()
    return took


def walk(browser: Any, page: Any) -> dict[str, float]:
    """Walk through the drawing; returns what the main thread did meanwhile."""
    browser.start_tracing(page=page, categories=list(CATEGORIES))
    page.click("nav a[href='#walk']")
    page.wait_for_selector("#walk-steps[aria-busy=false] > section:nth-child(8)")
    page.locator(".walk-play").first.click()
    page.wait_for_timeout(PLAYS_MS)
    while page.locator("#walk-next").is_enabled():
        page.click("#walk-next")
        page.wait_for_timeout(RESTS_MS)
    tasks, scripts = read_trace(browser.stop_tracing())
    return {
        "frames": len(scripts),
        "longest_task_ms": max(tasks),
        "tasks_over_50_ms": sum(task > 50 for task in tasks),
        "script_of_a_frame_ms_95": float(np.percentile(scripts, 95)),
        "script_of_a_frame_ms_most": max(scripts),
    }


def weigh(browser: Any, url: str) -> dict[str, float]:
    """Return the KiB of a first view, compressed: page and code, and data."""
    context = browser.new_context()
    page, bodies = context.new_page(), []
    page.on("response", lambda response: bodies.append(response))
    page.goto(url)
    page.wait_for_selector(READY, state="attached")
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    code = data = 0
    for one in list(bodies):
        if "/events" in one.url:  # a stream, which has no end
            continue
        if one.url.endswith(".bin.gz"):
            data += len(one.body())
        elif one.ok:
            code += len(gzip.compress(one.body()))
    context.close()
    return {"first_view_kib": code / 1024, "data_kib": data / 1024}


def goes_offline(browser: Any, url: str) -> bool:
    """Return whether a second visit needs no network."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("caches.keys().then((names) => names.length === 1)")
    page.reload()  # so that the worker answers
    context.set_offline(True)
    page.reload()
    page.wait_for_selector(READY, state="attached")
    context.close()
    return True


def spread(values: list[float]) -> dict[str, float]:
    """Smallest, middle and largest."""
    middle = statistics.median(values)
    return {"least": min(values), "median": middle, "most": max(values)}


def measure(browser: Any, url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure first views, strokes and a walk at an address."""
    load(browser, url)  # the browser's own first start is not ours
    loads = [load(browser, url) for _ in range(options.loads)]
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url)
    page.wait_for_selector(READY, state="attached")
    took = strokes(page, options.strokes)
    found = {key: spread([one[key] for one in loads]) for key in loads[0]}
    found |= {"stroke_ms": spread(took), "walk": walk(browser, page)}
    page.close()
    return {**found, **weigh(browser, url)}


@contextmanager
def studio() -> Iterator[str]:
    """Start the studio over a network; yields its address."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.pellucid"
        pl.Model(pl.zoo("mnist-torch")).save(path)
        command = [sys.executable, "-m", "pellucid", "studio", str(path)]
        command += ["--no-browser", "--port", "0"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        lines: Any = process.stderr
        try:
            line = next(line for line in lines if " at http" in line)
            yield next(word for word in line.split() if word.startswith("http"))
        finally:
            process.terminate()
            process.wait()


class _Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - as the base class has it
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
    }

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def files(folder: str) -> Iterator[str]:
    """Serve a folder's files; yields their address."""
    handler = functools.partial(_Files, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=10)
    parser.add_argument("--strokes", type=int, default=20)
    parser.add_argument("--lesson", metavar="FOLDER")
    parser.add_argument("--output", default=str(HERE / "results" / "studio.json"))
    options = parser.parse_args()
    found: dict[str, Any] = {"load_average_before": os.getloadavg()[0]}
    with sync_playwright() as runner:
        browser = runner.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        with studio() as url:
            found["studio"] = measure(browser, url, options)
        if options.lesson:
            with files(options.lesson) as url:
                offline = goes_offline(browser, url)
                found["lesson"] = {**measure(browser, url, options), "offline": offline}
        browser.close()
    found["load_average_after"] = os.getloadavg()[0]
    Path(options.output).write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
