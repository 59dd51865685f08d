"""The IDX format, in which MNIST and its likes are kept."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pellucid.data.archive import UNPACKED_LIMIT_BYTES, UNPACKED_LIMIT_RATIO
from pellucid.errors import DataError
from pellucid.regular_file import read_regular_file

SIZE_LIMIT_BYTES: Final = 8 * 2**30

GZIP_RATIO: Final = 1032  # the most that deflate can do
_GZIP = b"\x1f\x8b"
_MAX_AXES = 8
_DTYPES: Final[dict[int, str]] = {
    0x08: ">u1",
    0x09: ">i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}


def read_idx(path: str | Path) -> npt.NDArray[Any]:
    """Read an IDX file, plain or gzipped.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ndarray
        With the type and shape that the file announces; read-only.

    Raises
    ------
    DataError
        If the file is missing, is not IDX, is cut off, has bytes after its end, or
        announces more than 8 GiB.

    References
    ----------
    Y. LeCun, C. Cortes, C. Burges, The MNIST database, "The IDX file format",
    http://yann.lecun.com/exdb/mnist/.
    """
    return parse(unpack(read_bytes(Path(path)), str(path)), str(path))


def read_bytes(path: Path) -> bytes:
    """Read a file whole, or say in one sentence why not."""
    try:
        return read_regular_file(path)
    except OSError as error:
        raise DataError(
            f"load: {str(path)!r} must be a file that can be read; "
            f"got {error.strerror or error}."
        ) from error


def unpack(content: bytes, name: str) -> bytes:
    """Undo gzip, if there is any, but only as far as the IDX header announces.

    Parameters
    ----------
    content : bytes
        The file as it is.
    name : str
        What messages call it.

    Returns
    -------
    bytes
        At most one byte more than the header announces.

    Raises
    ------
    DataError
        If the header is not one of IDX, or the compressed data is damaged.
    """
    if content[:2] != _GZIP:
        return content
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        head = stream.decompress(content, 4 + 4 * _MAX_AXES)
        _, shape, start = _header(head, name)
        dtype = np.dtype(_DTYPES[head[2]])
        _check_ratio(dtype.itemsize * math.prod(shape), len(content), name)
        missing = start + dtype.itemsize * math.prod(shape) + 1 - len(head)
        if missing <= 0:
            return head
        body = head + stream.decompress(stream.unconsumed_tail, missing)
        if not stream.eof and len(body) < len(head) + missing:
            raise zlib.error("incomplete or truncated stream")
    except zlib.error as error:
        raise DataError(
            f"load: {name!r} must be a whole gzip file; got {error}."
        ) from error
    return body


def _check_ratio(announced: int, held: int, name: str) -> None:
    """Refuse a header that announces more than the file can hold, or a gzip bomb."""
    limit = max(UNPACKED_LIMIT_BYTES, UNPACKED_LIMIT_RATIO * held)
    if announced > min(limit, GZIP_RATIO * held):
        raise DataError(
            f"load: {name!r} must unpack to at most {min(limit, GZIP_RATIO * held)} "
            f"bytes, for it has {held}; its header announces {announced}. It is cut "
            "off, or a gzip bomb."
        )


def parse(content: bytes, name: str) -> npt.NDArray[Any]:
    """Turn the bytes of an IDX file into an array.

    Parameters
    ----------
    content : bytes
        The file, no longer compressed.
    name : str
        What messages call it.

    Returns
    -------
    ndarray
        A view of content where the machine's byte order allows, else a copy.

    Raises
    ------
    DataError
        As `read_idx`.
    """
    dtype, shape, start = _header(content, name)
    announced = start + dtype.itemsize * math.prod(shape)
    if len(content) < announced:
        raise DataError(
            f"load: {name!r} must have the {announced} bytes that its header "
            f"announces; got {len(content)}. It is cut off."
        )
    if len(content) > announced:
        raise DataError(
            f"load: {name!r} must end after the {announced} bytes that its header "
            "announces; got more."
        )
    flat = np.frombuffer(content, dtype, offset=start)
    return flat.reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(content: bytes, name: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return type, shape and the position of the first value."""
    if len(content) < 4:
        raise DataError(
            f"load: {name!r} must be an IDX file; got {len(content)} bytes."
        )
    zero, kind, axes = struct.unpack(">HBB", content[:4])
    if zero != 0 or kind not in _DTYPES or not 1 <= axes <= _MAX_AXES:
        again = " Is it compressed twice?" if content[:2] == _GZIP else ""
        raise DataError(
            f"load: {name!r} must be an IDX file; "
            f"got magic number 0x{content[:4].hex()}.{again}"
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(
            f"load: {name!r} must have a header of {start} bytes; "
            f"got {len(content)}. It is cut off."
        )
    shape = struct.unpack(f">{axes}I", content[4:start])
    dtype = np.dtype(_DTYPES[kind])
    if dtype.itemsize * math.prod(shape) > SIZE_LIMIT_BYTES:
        raise DataError(
            f"load: {name!r} must announce at most {SIZE_LIMIT_BYTES} bytes; "
            f"got shape={shape}."
        )
    return dtype, shape, start
