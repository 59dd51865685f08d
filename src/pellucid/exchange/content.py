"""Tell a file's format by its first bytes, and a zip's by its members."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from pellucid.regular_file import open_regular_file

_HEAD_BYTES = 64
_MAGIC = {
    b"\x89HDF\r\n\x1a\n": "h5",
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.": "state_dict",  # PyTorch before 1.6
}
_TEXT_BYTES = 2**20  # of JSON that are looked at
_JSON = re.compile(rb"\s*\{")
_TOPOLOGY = re.compile(rb'"modelTopology"\s*:')
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
#: formats of zips, by a pattern that one of their members has, the first that fits
_MEMBERS = (
    (r"(.*/)?models/model\.json", "pt2"),
    (r"model\.weights\.h5", "keras"),
    (r"(.*/)?constants\.pkl", "torchscript"),
    (r"(.*/)?data\.pkl", "state_dict"),
    (r".*\.npy", "npz"),
)
#: a protobuf's field 1 (ir_version, a small number), then another field of a model
_ONNX = re.compile(rb"\x08[\x01-\x1f](?:[\x12\x1a\x22\x32\x3a\x42]|\x28)")


def identify(path: Path) -> str | None:
    """Return the name of the format that a file's content has; None if it is unclear.

    Whole formats are recognized only; a protobuf says too little (see `may_be_onnx`).
    """
    head = _head(path)
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(b"PK\x03\x04"):
        return _identify_zip(path)
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length <= path.stat().st_size - 8:
        return "safetensors"
    if _JSON.match(head) and _TOPOLOGY.search(_text(path)):
        return "tfjs"
    return "state_dict" if _PICKLE.match(head) else None


def may_be_onnx(path: Path) -> bool:
    """Return whether a file begins as ONNX files do."""
    return _ONNX.match(_head(path)) is not None


def _text(path: Path) -> bytes:
    with open_regular_file(path) as file:
        return file.read(_TEXT_BYTES)


def _head(path: Path) -> bytes:
    try:
        with open_regular_file(path) as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def _identify_zip(path: Path) -> str | None:
    try:
        with open_regular_file(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return None
    for pattern, name in _MEMBERS:
        if any(re.fullmatch(pattern, member) for member in members):
            return name
    return None
