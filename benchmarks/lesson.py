"""The documentation's page that trains in the browser: its weight, and how fast it is.

Usage: python benchmarks/lesson.py [--rounds 3]

Writes the page as ``make site`` does and opens it in Chromium. Each round starts the
training, three epochs on 10,000 digits: seconds from the click to the result, and the
share of 2,000 test images that is right then. The weight is that of what a first visit
needs, compressed, without the digits and the experiments. Needs Chromium by Playwright.
"""

from __future__ import annotations

import argparse
import gzip
import re
import sys
import tempfile
import time
from pathlib import Path

from pages import page_of

sys.path.insert(0, str(Path(__file__).parents[1] / "docs" / "site"))
from lesson import build

KINDS = (".css", ".html", ".js", ".mjs")


def weight(folder: Path) -> dict[str, int]:
    """Return the compressed bytes of code and of the model's weights in it."""
    files = [path for path in folder.rglob("*") if path.suffix in KINDS]
    return {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in files}


def main() -> None:
    """Write the page, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        build(folder)
        sizes = weight(folder)
        for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
            print(f"{name:24} {size / 1000:7.1f} KB compressed")
        print(f"{'together':24} {sum(sizes.values()) / 1000:7.1f} KB")
        for _ in range(rounds):
            with page_of(folder) as page:
                page.wait_for_selector("#probabilities tbody tr", state="attached")
                page.click("nav a[href='#train']")
                status = page.locator("#train-status")
                begin = time.perf_counter()
                page.click("#wish button.primary")
                page.wait_for_function(
                    "document.querySelector('#train-status').textContent"
                    ".includes('finished')"
                )
                seconds = time.perf_counter() - begin
                said = re.sub(r"\s+", " ", status.text_content() or "").strip()
                print(f"{seconds:.2f} s from the click: {said}", flush=True)


if __name__ == "__main__":
    main()
