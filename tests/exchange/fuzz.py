"""Files of which some bytes are others."""

from __future__ import annotations

from hypothesis import strategies as st


def changed(whole: bytes, *, most: int) -> st.SearchStrategy[bytes]:
    """Return the content with one byte changed at least, and at most so many."""
    change = st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255))

    def apply(changes: list[tuple[int, int]]) -> bytes:
        content = bytearray(whole)
        for place, value in changes:
            content[place] = value
        return bytes(content)

    return st.lists(change, min_size=1, max_size=most).map(apply)
