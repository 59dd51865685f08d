"""Arrays in NumPy's .npy format, their size compared before memory is taken."""

from __future__ import annotations

from math import prod
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError

_HEADERS: Final = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npy(stream: IO[bytes], size_bytes: int, called: str) -> npt.NDArray[Any]:
    """Read an array; nothing in it is ever executed.

    Parameters
    ----------
    stream : binary file
        At the beginning of the array's bytes.
    size_bytes : int
        How many bytes the file or entry has.
    called : str
        What messages call it.

    Raises
    ------
    DataError
        If it holds Python objects, or announces more or less than it holds.
    ValueError, and whatever NumPy's parser raises
        If its header is damaged.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the .npy format")
    shape, is_fortran, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise DataError(
            f"load: {called!r} must hold plain arrays; got Python objects, which could "
            "run code. Save it with a dtype that is not object."
        )
    announced, held = prod(shape) * dtype.itemsize, size_bytes - stream.tell()
    if announced != held:
        raise DataError(
            f"load: {called!r} must have the {announced} bytes that its header "
            f"announces; got {held}. It is damaged."
        )
    content = bytearray(announced)
    done = 0
    while done < announced:
        part = stream.read(min(announced - done, 1 << 20))
        if not part:
            raise EOFError(f"{done} of {announced} bytes")
        content[done : done + len(part)] = part
        done += len(part)
    array = np.frombuffer(content, dtype)
    return array.reshape(shape, order="F" if is_fortran else "C")
