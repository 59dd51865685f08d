"""Nesting depth of JSON, in linear time and before anything is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

#: A string, closed or not. Possessive, so that it matches at every quote and never
#: tries another way: the time is linear, whatever is sent.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_WHOLE = re.compile(rb'(?:[^"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_WINDOW = 1 << 16  # bytes that are looked at without letting other threads run
_BRACKETS = b"[]{}"
_OTHERS = bytes(set(range(256)) - set(_BRACKETS))
_STEP = np.zeros(256, np.int8)  # what a byte adds to the depth
_STEP[[ord("["), ord("{")]] = 1
_STEP[[ord("]"), ord("}")]] = -1


def depth_of(text: bytes) -> int:
    """Return how deep arrays and objects stand in one another, strings left out."""
    depth, most = 0, 0
    for brackets in _brackets(text):
        steps = np.cumsum(_STEP[np.frombuffer(brackets, np.uint8)], dtype=np.int32)
        most = max(most, depth + int(steps.max(initial=0)))
        depth += int(steps[-1]) if len(steps) else 0
    return most


def _brackets(text: bytes) -> Iterator[bytes]:
    """Give the brackets outside strings, a window after the other."""
    start = 0
    while start < len(text):
        end = end_outside_strings(text, start, _WINDOW)
        if end - start <= _WINDOW:  # else it is one long string
            yield bare(text[start:end]).translate(None, _OTHERS)
        start = end


def end_outside_strings(text: bytes, start: int, most: int) -> int:
    """Return the last place outside strings, at most ``most`` bytes on.

    Where a string begins at ``start`` and is longer, its end.
    """
    end = _WHOLE.match(text, start, start + most)
    if end is not None and end.end() > start:
        return end.end()
    return _string_end(text, start)


def _string_end(text: bytes, start: int) -> int:
    """Return where the string ends that begins there, a window after the other."""
    at = start + 1
    while at < len(text):
        inside = _INSIDE.match(text, at, at + _WINDOW)
        at = at if inside is None else inside.end()
        if text[at : at + 1] == b'"':
            return at + 1
        if text[at : at + 1] == b"\\":  # its second byte lies behind the window
            at += 2
    return len(text)


def bare(text: bytes) -> bytes:
    """Return JSON without its strings."""
    return STRING.sub(b"", text) if b'"' in text else text
