"""Check a site's links: each page, file and anchor must be there."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

_OUTSIDE = re.compile(r"^(?:[a-z][a-z+.-]*:|//)", re.IGNORECASE)


class _Page(HTMLParser):
    """The anchors that a page has, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element's names and addresses."""
        for key, value in attrs:
            if value is None:
                continue
            if key in ("id", "name"):
                self.anchors.add(value)
            elif key == "href" or (key == "src" and tag != "iframe"):
                self.targets.append(value)


def read(path: Path) -> _Page:
    """Return a page's anchors and links."""
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken(folder: Path) -> tuple[int, list[str]]:
    """Return how many links a site has within itself, and those that lead nowhere."""
    pages = {path: read(path) for path in sorted(folder.rglob("*.html"))}
    count, lost = 0, []
    for path, page in pages.items():
        for target in page.targets:
            if _OUTSIDE.match(target):
                continue
            count += 1
            address, anchor = urldefrag(target)
            address = unquote(address.partition("?")[0])
            where = (path.parent / address).resolve() if address else path
            where = where / "index.html" if where.is_dir() else where
            is_there = where.exists()
            if is_there and anchor and where in pages:
                anchors, name = pages[where].anchors, unquote(anchor)
                is_there = name in anchors or f"view-{name}" in anchors  # the lesson's
            if not is_there:
                lost.append(f"{path.relative_to(folder)}: {target}")
    return count, lost


def check(folder: Path) -> int:
    """Return how many links were checked; end with them if some lead nowhere."""
    count, lost = broken(folder)
    if lost:
        sys.exit("links that lead nowhere:\n" + "\n".join(lost))
    return count
