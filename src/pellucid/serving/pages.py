"""Static files in memory, with their content hashes."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pellucid.serving.errors import RequestError
from pellucid.serving.http import Answer
from pellucid.serving.security import PAGE_HEADERS

STATIC = Path(__file__).parent / "static"
PREFIX = "/static/"
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_FOREVER = (b"cache-control", b"max-age=31536000, immutable")
_ASK_AGAIN = (b"cache-control", b"no-cache")


class _Files(NamedTuple):
    """Every file by its path, and a name for all they hold together."""

    contents: dict[str, bytes]
    digest: str


@cache
def _files() -> _Files:
    contents = {
        path.relative_to(STATIC).as_posix(): path.read_bytes()
        for path in sorted(STATIC.rglob("*"))
        if path.suffix in _TYPES
    }
    whole = hashlib.sha256()
    for name, content in contents.items():
        whole.update(name.encode() + b"\0" + content + b"\0")
    return _Files(contents, whole.hexdigest()[:16])


async def page(name: str) -> Answer:
    """Return a page; what it loads has the digest in its path, and may be kept."""
    contents, digest = _files()
    versioned = f"{PREFIX}{digest}/".encode()
    body = contents[name].replace(PREFIX.encode(), versioned)
    return Answer(
        body, content_type=_TYPES[".html"], headers=[_ASK_AGAIN, *PAGE_HEADERS]
    )


async def file(path: str) -> Answer:
    """Return one of the files that a page loads.

    Raises
    ------
    RequestError
        404 if there is none. Paths are looked up, never opened.
    """
    contents, digest = _files()
    name = path.removeprefix(PREFIX)
    is_versioned = name.startswith(f"{digest}/")
    name = name.removeprefix(f"{digest}/")
    if name not in contents:
        raise RequestError(
            f"Not found: {path[:80]}. See /docs.",
            status=404,
        )
    kept = _FOREVER if is_versioned else _ASK_AGAIN
    kind = _TYPES[Path(name).suffix]
    return Answer(contents[name], content_type=kind, headers=[kept, *PAGE_HEADERS])
