"""Times the studio in Chromium: its first view, and answers to strokes.

Usage: python benchmarks/studio.py [--loads 10] [--strokes 20]

Needs playwright and Chromium. The browser runs on the same machine; every load has an
empty cache. "Painted" is the first contentful paint, "filled" when the model is named
and the classes stand there; both count from the navigation's start.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import pellucid as pl

HERE = Path(__file__).parent
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run")
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
    page.wait_for_selector("#probabilities tbody tr", state="attached")
    page.wait_for_timeout(300)
    found: dict[str, float] = page.evaluate(_TIMES)
    context.close()
    return found


def strokes(browser: Any, url: str, count: int) -> list[float]:
    """Draw a zigzag; returns how long each answer took, in ms, as the page says."""
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector("#probabilities tbody tr", state="attached")
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    took = []
    for i in range(count):
        page.mouse.move(box["x"] + 60 + 140 * (i % 2), box["y"] + 40 + 200 * i / count)
        page.wait_for_timeout(150)
        words = page.locator("#took").inner_text()
        took.append(float(words.split(" ms")[0].split()[-1]))
    page.close()
    return took


def spread(values: list[float]) -> dict[str, float]:
    """Smallest, middle and largest."""
    middle = statistics.median(values)
    return {"least": min(values), "median": middle, "most": max(values)}


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=10)
    parser.add_argument("--strokes", type=int, default=20)
    parser.add_argument("--output", default=str(HERE / "results" / "studio.json"))
    options = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as runner:
        path = Path(folder) / "digits.pellucid"
        pl.Model(pl.zoo("mnist-torch")).save(path)
        command = [sys.executable, "-m", "pellucid", "studio", str(path)]
        command += ["--no-browser", "--port", "0"]
        studio = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        lines: Any = studio.stderr
        url = next(line for line in lines if " at http" in line).split()[4]
        browser = runner.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        try:
            load(browser, url)  # the browser's own first start is not ours
            loads = [load(browser, url) for _ in range(options.loads)]
            took = strokes(browser, url, options.strokes)
        finally:
            browser.close()
            studio.terminate()
            studio.wait()
    found = {
        "load_average_before": before,
        "load_average_after": os.getloadavg()[0],
        **{key: spread([one[key] for one in loads]) for key in loads[0]},
        "stroke_ms": spread(took),
    }
    Path(options.output).write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
