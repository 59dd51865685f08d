"""What the body of a plain request holds: a picture's file, or raw numbers."""

from __future__ import annotations

import re
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
    kind = content_type.partition(";")[0].strip().lower()
    if kind != FORM:
        return Upload(body, kind)
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise RequestError(
            f"predict: {FORM} must come with its boundary; got {content_type[:60]!r}."
        )
    return _the_file(body, (found[1] or found[2]).encode("latin-1"))


def _the_file(body: bytes, boundary: bytes) -> Upload:
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise RequestError("predict: a form must be whole; got part of it.")
    parts = pieces[1:-1]
    if len(parts) != 1:
        raise RequestError(
            "predict: a form must have one part, a picture's file; "
            f"got {len(parts)}. Choose the model by ?model=."
        )
    head, end, content = parts[0].partition(b"\r\n\r\n")
    if not end:
        raise RequestError("predict: a form's part must have a head; got none.")
    kind = re.search(rb"(?im)^content-type:[ \t]*([^\s;]{1,100})", head)
    return Upload(content, kind[1].decode("latin-1").lower() if kind else "")
