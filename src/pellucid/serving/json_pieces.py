"""Reading and writing of large JSON in pieces, so that other threads run in between.

`json` holds the interpreter from a document's first byte to its last: seconds for the
numbers of many images, in which no other request is answered.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from pellucid.serving.json_depth import STRING, end_outside_strings

#: bytes from which a document is read in pieces, and of a piece
LARGE = 1 << 16
_NUMBERS = 4096  # of an array that are written at once
_LEAST_PACKED = 64  # numbers from which a list becomes an array
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_SPACE = b" \t\r\n"
_PAIR = re.compile(rb"\[\]|\{\}")
_CLOSER = {ord("["): "]", ord("{"): "}"}


def load(text: bytes, refuse_constant: Callable[[str], Any]) -> Any:
    """Read JSON as `json.loads` does, in pieces.

    Lists of numbers may come as arrays: of float64, or int64 where they are whole.

    Raises
    ------
    ValueError
        If it is no JSON.
    """
    return _Reader(refuse_constant).read(text)


class _Reader:
    """The document so far, and which of its containers are open."""

    def __init__(self, refuse_constant: Callable[[str], Any]) -> None:
        self._refuse_constant = refuse_constant
        self._open: list[Any] = []
        self._key = secrets.token_hex(8)  # of what goes on: no document has it
        self._root: Any = None
        self._is_begun = False

    def read(self, text: bytes) -> Any:
        for start, end, closers in _pieces(text):
            self._take(text[start:end], start, closers)
        if not self._is_begun:
            raise ValueError("Expecting value (at about byte 0)")
        return self._root

    def _take(self, piece: bytes, at: int, closers: list[str]) -> None:
        before = self._prefix(piece, at)
        body = piece[:-1].rstrip(_SPACE) if closers else piece
        if closers and body[-1:] in (b"[", b"{"):
            raise ValueError(f"Expecting value (at about byte {at + len(body)})")
        try:
            part = json.loads(
                before + body.decode() + "".join(reversed(closers)),
                parse_constant=self._refuse_constant,
                object_pairs_hook=_last_wins,
            )
        except json.JSONDecodeError as error:
            place = at + max(0, error.pos - len(before))
            raise ValueError(f"{error.msg} (at about byte {place})") from None
        self._merge(part, len(closers))

    def _prefix(self, piece: bytes, at: int) -> str:
        """Return what opens again what is open, so that a piece is JSON by itself."""
        if not self._is_begun:
            return ""
        first = piece.lstrip(_SPACE)[:1]
        if not self._open or first in (b"", b"]", b"}", b","):
            raise ValueError(f"Expecting value (at about byte {at})")
        outer = "".join(
            "[" if isinstance(one, list) else f'{{"{self._key}":'
            for one in self._open[:-1]
        )
        return outer + ("[" if isinstance(self._open[-1], list) else "{")

    def _merge(self, part: Any, depth: int) -> None:
        """Put a piece's values where they belong; ``depth`` containers stay open."""
        fresh = self._extend(part)
        self._open = _last_ones(self._root, depth)
        known = {id(container) for container, _ in fresh}
        fresh += [(one, _keys(one)) for one in self._open if id(one) not in known]
        is_open = {id(one) for one in self._open}
        for container, keys in fresh:
            for key in keys:
                if id(container[key]) not in is_open:
                    container[key] = _pack_numbers(container[key])

    def _extend(self, part: Any) -> list[tuple[Any, Iterable[Any]]]:
        """Give each open container what is new in it; return where that stands."""
        if not self._is_begun:
            self._root, self._is_begun = part, True
            return [(part, _keys(part))] if isinstance(part, list | dict) else []
        fresh: list[tuple[Any, Iterable[Any]]] = []
        for container in self._open:
            is_inner = container is self._open[-1]
            following = None
            if isinstance(container, list):
                first = len(container)
                following = None if is_inner else part[0]
                container.extend(part if is_inner else part[1:])
                fresh.append((container, range(first, len(container))))
            else:
                following = None if is_inner else part.pop(self._key)
                for key, value in part.items():
                    container.pop(key, None)
                    container[key] = value
                fresh.append((container, part))
            part = following
        return fresh


def _keys(container: Any) -> Iterable[Any]:
    """Return the places of a list, or the names of an object."""
    return range(len(container)) if isinstance(container, list) else list(container)


def _pieces(text: bytes) -> Iterator[tuple[int, int, list[str]]]:
    """Give each piece's begin and end, and what is open after it.

    A piece ends behind a comma; the last one at the document's end.
    """
    start, open_now = 0, b""
    while start < len(text):
        end, length = start, LARGE
        brackets = b""
        while True:
            stop = end_outside_strings(text, end, length)
            window = text[end:stop] if stop - end <= length else b""  # one string
            if b'"' in window:
                window = STRING.sub(lambda found: b" " * len(found[0]), window)
            if stop >= len(text):
                yield start, len(text), []
                return
            comma = window.rfind(b",")
            if comma >= 0:
                break
            brackets += window.translate(None, _OTHERS)
            end = stop
        brackets += window[:comma].translate(None, _OTHERS)
        open_now = _open_brackets(open_now + brackets)
        yield start, end + comma + 1, [_CLOSER[one] for one in open_now]
        start = end + comma + 1


def _open_brackets(brackets: bytes) -> bytes:
    """Return the brackets that are open still; ValueError if others are closed."""
    former = b""
    while former != brackets:
        former, brackets = brackets, _PAIR.sub(b"", brackets)
    if brackets.translate(None, b"[{"):
        raise ValueError("brackets close what was not opened")
    return brackets


def _last_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of a name that is there twice the last, at its place."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found.pop(key, None)
        found[key] = value
    return found


def _last_ones(value: Any, depth: int) -> list[Any]:
    """Return a container, its last element, and so on, ``depth`` of them."""
    found = []
    for _ in range(depth):
        found.append(value)
        value = value[-1] if isinstance(value, list) else next(reversed(value.values()))
    return found


def _pack_numbers(value: Any) -> Any:
    """Return a list of numbers as an array, if it is long; others as they are."""
    if isinstance(value, dict):
        for key, one in value.items():
            value[key] = _pack_numbers(one)
        return value
    if not isinstance(value, list) or not value:
        return value
    if isinstance(value[0], int | float | list):
        try:
            array = np.array(value)
        except (ValueError, OverflowError):
            return value
        if array.dtype.kind in "fi" and array.size >= _LEAST_PACKED:
            return array
    return value


def dump(document: Any) -> bytes:
    """Write JSON with arrays in it, in pieces; ValueError if one is not finite."""
    return b"".join(text.encode() for text in _write_pieces(document))


def _write_pieces(value: Any) -> Iterator[str]:
    if isinstance(value, np.ndarray):
        yield from _write_array(value)
    elif isinstance(value, dict):
        yield "{"
        for i, (key, one) in enumerate(value.items()):
            yield f"{',' if i else ''}{json.dumps(key)}:"
            yield from _write_pieces(one)
        yield "}"
    elif isinstance(value, list | tuple):
        yield "["
        for i, one in enumerate(value):
            if i:
                yield ","
            yield from _write_pieces(one)
        yield "]"
    else:
        yield json.dumps(value, allow_nan=False)


def _write_array(array: np.ndarray[Any, Any]) -> Iterator[str]:
    if array.size <= _NUMBERS or array.ndim == 0:
        yield json.dumps(array.tolist(), allow_nan=False, separators=(",", ":"))
        return
    rows = max(1, _NUMBERS * len(array) // array.size)
    yield "["
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        yield "," if start else ""
        if rows == 1:
            yield from _write_array(part[0])
        else:
            yield json.dumps(part.tolist(), allow_nan=False, separators=(",", ":"))[
                1:-1
            ]
    yield "]"
