"""FlatBuffers by a table of fields: encode dictionaries, decode bytes.

Only what a schema names is read; every offset is checked against the file's end, and
tables are counted, so that a hostile file costs no more than a large one.

References
----------
"FlatBuffer internals", flatbuffers.dev.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

TABLE_LIMIT = 200_000  # tables of one file
VECTOR_LIMIT = 2**16  # numbers of one vector, but for the weights'
_WIDEST = 16  # bytes to which weights are aligned


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number; ``code`` is struct's letter, ``default`` is not written."""

    code: str
    default: float = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A string of UTF-8."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A vector of numbers of a NumPy type; a large one has any number of them."""

    dtype: str
    is_large: bool = False


@dataclass(frozen=True, slots=True)
class Blob:
    """A vector of bytes, aligned as weights are."""


@dataclass(frozen=True, slots=True)
class Table:
    """Another table, or a vector of them."""

    fields: Fields
    is_vector: bool = False


@dataclass(frozen=True, slots=True)
class Union:
    """One of several tables, told by the number in the field ``tag``."""

    tag: str
    choices: Mapping[int, Fields]


Kind = Scalar | Text | Numbers | Blob | Table | Union
Fields = Mapping[str, tuple[int, Kind]]  # name → slot and kind
_PREPEND = {
    "?": "Bool",
    "b": "Int8",
    "B": "Uint8",
    "i": "Int32",
    "I": "Uint32",
    "q": "Int64",
    "Q": "Uint64",
    "f": "Float32",
}


def encode(fields: Fields, value: Mapping[str, Any], *, identifier: bytes) -> bytes:
    """Return a file whose root is the table; entries that are None are left out."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(_table(builder, fields, value), file_identifier=identifier)
    return bytes(builder.Output())


def _table(builder: Any, fields: Fields, value: Mapping[str, Any]) -> int:
    given = {name: value[name] for name in fields if value.get(name) is not None}
    children = {
        name: _child(builder, kind, given[name], value)
        for name, (_, kind) in fields.items()
        if name in given and not isinstance(kind, Scalar)
    }
    builder.StartObject(1 + max((slot for slot, _ in fields.values()), default=-1))
    for name, entry in given.items():
        slot, kind = fields[name]
        if isinstance(kind, Scalar):
            prepend = getattr(builder, f"Prepend{_PREPEND[kind.code]}Slot")
            prepend(slot, entry, kind.default)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, children[name], 0)
    return int(builder.EndObject())


def _child(builder: Any, kind: Kind, value: Any, around: Mapping[str, Any]) -> int:
    if isinstance(kind, Text):
        return int(builder.CreateString(value))
    if isinstance(kind, Numbers):
        return int(builder.CreateNumpyVector(np.asarray(value, kind.dtype)))
    if isinstance(kind, Blob):
        return _blob(builder, value)
    if isinstance(kind, Union):
        return _table(builder, kind.choices[around[kind.tag]], value)
    if not isinstance(kind, Table) or not kind.is_vector:
        return _table(builder, kind.fields, value)  # type: ignore[union-attr]
    offsets = [_table(builder, kind.fields, item) for item in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _blob(builder: Any, content: bytes) -> int:
    builder.StartVector(1, len(content), _WIDEST)
    builder.head -= len(content)
    builder.Bytes[builder.head : builder.head + len(content)] = content
    return int(builder.EndVector())


def decode(fields: Fields, content: bytes, *, identifier: bytes) -> dict[str, Any]:
    """Return the root table: scalars with their defaults, what is missing as None.

    Numbers and blobs are views of the content.

    Raises
    ------
    ValueError, struct.error
        If an offset leads outside, or there are more tables than `TABLE_LIMIT`.
    """
    if content[4:8] != identifier:
        raise ValueError(f"no {identifier.decode()} at byte 4")
    reader = _Reader(content)
    return reader.table(fields, reader.follow(0))


class _Reader:
    """Reads tables of one file, and counts them."""

    def __init__(self, content: bytes) -> None:
        self.content, self.tables = content, 0

    def number(self, code: str, at: int) -> Any:
        if at < 0:
            raise ValueError("an offset before the file's beginning")
        return struct.unpack_from(f"<{code}", self.content, at)[0]

    def follow(self, at: int) -> int:
        """Return where an offset leads."""
        return at + int(self.number("I", at))

    def table(self, fields: Fields, at: int) -> dict[str, Any]:
        self.tables += 1
        if self.tables > TABLE_LIMIT:
            raise ValueError(f"more than {TABLE_LIMIT} tables")
        slots = at - int(self.number("i", at))
        size = int(self.number("H", slots))
        found: dict[str, Any] = {}
        for name, (slot, kind) in fields.items():
            entry = 4 + 2 * slot
            inner = int(self.number("H", slots + entry)) if entry + 2 <= size else 0
            found[name] = self.field(kind, at + inner if inner else None, found)
        return found

    def field(self, kind: Kind, at: int | None, around: dict[str, Any]) -> Any:
        if isinstance(kind, Scalar):
            return kind.default if at is None else self.number(kind.code, at)
        if at is None:
            return None
        start = self.follow(at)
        if isinstance(kind, Union):
            choice = kind.choices.get(around[kind.tag])
            return None if choice is None else self.table(choice, start)
        if isinstance(kind, Table):
            if not kind.is_vector:
                return self.table(kind.fields, start)
            places = range(start + 4, start + 4 + 4 * self.number("I", start), 4)
            return [self.table(kind.fields, self.follow(place)) for place in places]
        count = int(self.number("I", start))
        if isinstance(kind, Blob):
            return np.frombuffer(self.content, np.uint8, count, start + 4)
        if count > VECTOR_LIMIT and not getattr(kind, "is_large", False):
            raise ValueError(f"a vector of {count} numbers")
        dtype = "uint8" if isinstance(kind, Text) else kind.dtype
        numbers = np.frombuffer(self.content, dtype, count, start + 4)
        return numbers.tobytes().decode() if isinstance(kind, Text) else numbers
