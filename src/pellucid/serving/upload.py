"""What the body of a plain request holds: a picture's file, or raw numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pellucid.serving.errors import RequestError

PICTURES = (
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "image/bmp",
    "image/tiff",
)
RAW = "application/octet-stream"
FORM = "multipart/form-data"
_SIGNATURES = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM|II\*\x00|MM\x00\*"
    rb"|....ftyp(?:avif|avis)|\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51|qoif|P[1-6]\s",
    re.DOTALL,
)
_BOUNDARY = re.compile(r"""boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))""")
_MOST_PARTS = 64


class Upload(NamedTuple):
    """What came, and as what; the type is in small letters, without parameters."""

    content: bytes
    content_type: str

    @property
    def is_picture(self) -> bool:
        """Whether it says that it is a picture."""
        return self.content_type in PICTURES

    @property
    def looks_like_a_picture(self) -> bool:
        """Whether it begins as a picture's file does."""
        return _SIGNATURES.match(self.content) is not None


def read_upload(body: bytes, content_type: str) -> Upload:
    """Return what a body holds; of a form, its file.

    Raises
    ------
    RequestError
        If a form has not exactly one part, or is not whole.
    """
    kind = _kind(content_type)
    if kind != FORM:
        return Upload(body, kind)
    parts = _split_form(body, content_type)
    if len(parts) != 1:
        raise RequestError(
            "predict: a form must have one part, a picture's file; "
            f"got {len(parts)}. Choose the model by ?model=."
        )
    return parts[0][1]


def read_form(
    body: bytes, content_type: str, names: Sequence[str]
) -> dict[str, Upload]:
    """Return the file of each input, from a form whose fields are called so.

    Raises
    ------
    RequestError
        If it is no form, not whole, or has not each field once.
    """
    listed = ", ".join(names)
    if _kind(content_type) != FORM:
        raise RequestError(
            f"predict: Content-Type must be {FORM} with a file for each of the "
            f"model's inputs, {listed}; got {_kind(content_type)[:60]!r}.",
            status=415,
        )
    parts = _split_form(body, content_type)
    if sorted(name for name, _ in parts) != sorted(names):
        came = ", ".join(name[:40] for name, _ in parts) or "none"
        raise RequestError(
            f"predict: a form's fields must be {listed}, each once; got {came}."
        )
    return dict(parts)


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _split_form(body: bytes, content_type: str) -> list[tuple[str, Upload]]:
    """Return the name and the content of each part of a form."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise RequestError(
            f"predict: {FORM} must come with its boundary; got {content_type[:60]!r}."
        )
    boundary = (found[1] or found[2]).encode("latin-1")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise RequestError("predict: a form must be whole; got part of it.")
    return [_read_part(piece) for piece in pieces[1:-1]]


def _read_part(piece: bytes) -> tuple[str, Upload]:
    head, end, content = piece.partition(b"\r\n\r\n")
    if not end:
        raise RequestError("predict: a form's part must have a head; got none.")
    kind = re.search(rb"(?im)^content-type:[ \t]*([^\s;]{1,100})", head)
    name = re.search(
        rb"(?i)[; ]name=(?:\"([^\"\r\n]{0,200})\"|([^\s;\"]{1,200}))", head
    )
    called = (name[1] or name[2] or b"") if name else b""
    upload = Upload(content, kind[1].decode("latin-1").lower() if kind else "")
    return called.decode("utf-8", "replace"), upload
