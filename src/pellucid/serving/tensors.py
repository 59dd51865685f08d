"""Tensors on the wire: the Open Inference Protocol's types and bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.serving.errors import RequestError, too_many
from pellucid.serving.settings import Limits

Array = npt.NDArray[Any]

#: the protocol's name → the array's type, little-endian as it is on the wire
DTYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("u1"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_AT_ONCE = 1 << 16  # numbers that are turned into an array without letting others run


def datatype_of(dtype: str) -> str:
    """Return the protocol's name of a model's dtype."""
    return {"float32": "FP32", "float64": "FP64"}[dtype]


def parse_shape(name: str, shape: Any, limits: Limits) -> tuple[int, ...]:
    """Return a shape that came as JSON.

    Raises
    ------
    RequestError
        If it is not a list of lengths, or says more than a request may hold.
    """
    is_list = isinstance(shape, list) and len(shape) <= 8
    if not is_list or any(type(n) is not int or n < 0 for n in shape):
        raise RequestError(
            f"infer: shape of input '{name}' must be a list of integers from 0; "
            f"got {shorten(shape)}."
        )
    if prod(shape) > limits.body_bytes:  # an element has a byte at least
        raise RequestError(
            f"infer: shape of input '{name}' must be one that fits into a request; "
            f"got {shorten(shape)}."
        )
    if shape and shape[0] > limits.images:
        raise too_many(shape[0], limits.images)
    return tuple(shape)


def parse_dtype(name: str, datatype: Any) -> np.dtype[Any]:
    """Return the array's type of a datatype that came as JSON."""
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise RequestError(
            f"infer: datatype of input '{name}' must be {', '.join(DTYPES)}, or BYTES "
            f"with a picture each; got {shorten(datatype)}."
        )
    return DTYPES[datatype]


def from_bytes(
    name: str, data: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> Array:
    """Return the array that bytes hold; it shares them.

    Raises
    ------
    RequestError
        If there are too few or too many.
    """
    expected = prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise RequestError(
            f"infer: input '{name}' must have {expected} bytes for shape "
            f"{list(shape)}; got {len(data)}."
        )
    return np.frombuffer(data, dtype).reshape(shape)


def from_json(
    name: str, data: Any, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> Array:
    """Return the array that JSON numbers hold, flat or nested.

    Raises
    ------
    RequestError
        If they are not numbers in the type's range, or do not fill the shape.
    """
    values = numbers(f"data of input '{name}'", data)
    if values.size != prod(shape) or (values.ndim > 1 and values.shape != shape):
        raise RequestError(
            f"infer: data of input '{name}' must fill shape {list(shape)}; "
            f"got shape {list(values.shape)}."
        )
    if (
        dtype.kind == "u"
        and not ((values == np.rint(values)) & (values >= 0) & (values <= 255)).all()
    ):
        raise RequestError(
            f"infer: UINT8 data of input '{name}' must be integers from 0 to 255; "
            "got others."
        )
    with np.errstate(over="ignore"):
        return values.astype(dtype).reshape(shape)


def numbers(what: str, data: Any) -> Array:
    """Return a list of numbers, nested or flat, as an array of float64.

    Raises
    ------
    RequestError
        If it is anything else.
    """
    if not isinstance(data, list):
        raise RequestError(f"infer: {what} must be a list; got {shorten(data)}.")
    try:
        array = _array(data)
    except (ValueError, OverflowError) as error:
        raise RequestError(
            f"infer: {what} must be lists of one length on each level; got others."
        ) from error
    if array.size == 0:
        return array.astype(np.float64)
    if array.dtype.kind not in "fiu":
        raise RequestError(f"infer: {what} must be numbers; got {array.dtype.name}.")
    return array.astype(np.float64, copy=False)


def _array(data: list[Any]) -> Array:
    """Return nested lists, or arrays in a list, as an array; a slice at a time."""
    first = data[0] if data else 0
    size = first.size if isinstance(first, np.ndarray) else _size(first)
    step = max(1, _AT_ONCE // max(1, size))
    if len(data) <= step:
        return np.array(data)
    starts = range(0, len(data), step)
    return np.concatenate([np.array(data[start : start + step]) for start in starts])


def _size(value: Any) -> int:
    """Return how many numbers a nested list holds, by its first ones."""
    size = 1
    while isinstance(value, list) and value:
        size *= len(value)
        value = value[0]
    return size * (value.size if isinstance(value, np.ndarray) else 1)


def byte_strings(name: str, data: bytes | memoryview, count: int) -> list[bytes]:
    """Return the elements of a BYTES tensor: each after its length, uint32.

    Raises
    ------
    RequestError
        If they are not ``count`` whole ones.
    """
    found: list[bytes] = []
    at = 0
    while at + 4 <= len(data) and len(found) < count:
        (length,) = struct.unpack_from("<I", data, at)
        if length > len(data) - at - 4:
            break
        found.append(bytes(data[at + 4 : at + 4 + length]))
        at += 4 + length
    if at != len(data) or len(found) != count:
        raise RequestError(
            f"infer: input '{name}' must hold {count} texts, each after its length as "
            f"uint32; got {len(data)} bytes that do not."
        )
    return found


def to_byte_strings(texts: Sequence[str]) -> bytes:
    """Return texts as the elements of a BYTES tensor."""
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def check_finite(images: Array) -> None:
    """Refuse NaN and infinity.

    Raises
    ------
    DataError
        If there is one.
    """
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise DataError("Model: images must be finite; got NaN or infinity.")


def shorten(value: Any) -> str:
    """Return a value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
