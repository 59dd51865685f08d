"""Takes the pictures of the studio that stand in docs/studio.md.

Usage: python benchmarks/studio_pictures.py [--folder docs/images]

It starts the studio, lets it train, and looks at each view in Chromium. The times that
the pictures show are this machine's, however busy it is.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

HERE = Path(__file__).parent
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run")
PORT = 8651
URL = f"http://127.0.0.1:{PORT}"
_PATIENCE_MS = 300_000


def draw_seven(page: Any) -> None:
    """Draw a seven with the mouse."""
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 60)
    page.mouse.down()
    for x, y in ((200, 60), (130, 220)):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=12)
    page.mouse.up()
    expect(page.locator("#done")).to_contain_text("20×20")


def take(page: Any, folder: Path, name: str, height: int | None = None) -> None:
    """Take a picture of the whole page, or of its beginning."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)
    path = folder / f"studio-{name}.png"
    if height is None:
        page.screenshot(path=path, full_page=True)
        return
    page.set_viewport_size({"width": 1280, "height": height})
    page.wait_for_timeout(500)
    page.screenshot(path=path)
    page.set_viewport_size({"width": 1280, "height": 800})


def pictures(page: Any, folder: Path) -> None:
    """Go through the views as somebody would."""
    status = page.locator("#train-status")
    page.goto(URL)
    expect(status).to_contain_text("finished", timeout=_PATIENCE_MS)
    draw_seven(page)
    take(page, folder, "draw")
    page.goto(f"{URL}/#walk")
    page.select_option("#right-answer", "2")
    expect(page.locator("#walk-steps")).to_contain_text("The right answer is 2")
    take(page, folder, "walk", height=1600)
    page.goto(f"{URL}/#play")
    page.get_by_role("button", name="No ReLU").click()
    expect(page.locator("#runs > section")).to_have_count(2, timeout=_PATIENCE_MS)
    page.wait_for_timeout(4000)
    take(page, folder, "experiment")
    page.goto(f"{URL}/#inside")
    page.locator("#nodes button", has_text="conv2d_1").first.click()
    page.wait_for_timeout(1000)
    page.locator("#big").click(position={"x": 150, "y": 90})
    take(page, folder, "inside")
    page.goto(f"{URL}/#compare")
    page.click("#run-compare")
    done = page.locator("#run-compare:not([disabled])")
    done.wait_for(timeout=_PATIENCE_MS)
    take(page, folder, "compare")
    page.goto(f"{URL}/#build")
    page.wait_for_timeout(500)
    take(page, folder, "build")
    page.fill("#argument-1-kernel_size", "40")
    expect(page.locator("#fits")).to_contain_text("must be at least as large")
    take(page, folder, "build-refused")
    page.goto(f"{URL}/#train")
    page.select_option("[name=engine]", "numpy")
    page.select_option("[name=beside]", "torch")
    page.fill("[name=images]", "3200")
    page.click("#wish [type=submit]")
    for engine in ("numpy", "torch"):
        expect(status).to_contain_text(f"{engine}: finished", timeout=_PATIENCE_MS)
    take(page, folder, "train")


def main() -> None:
    """Start the studio, look, and end it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=str(HERE.parent / "docs" / "images"))
    folder = Path(parser.parse_args().folder)
    command = [sys.executable, "-m", "pellucid", "studio", "--no-browser"]
    studio = subprocess.Popen(
        [*command, "--port", str(PORT)], stderr=subprocess.PIPE, text=True
    )
    if studio.stderr is None or "Studio running at" not in studio.stderr.readline():
        sys.exit("studio_pictures: the studio must start; got another first line.")
    try:
        with sync_playwright() as runner:
            browser = runner.chromium.launch(
                executable_path=shutil.which("chromium"), args=list(FLAGS)
            )
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            pictures(page, folder)
            browser.close()
    finally:
        studio.terminate()
        studio.wait()


if __name__ == "__main__":
    main()
